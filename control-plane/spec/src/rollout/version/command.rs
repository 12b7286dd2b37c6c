//! Instances that Shunt starts and stops.

use super::{INSTANCES_MAX, VersionSpec};
use crate::plan::{Backend, CommandBackend};
use crate::problems::Problems;
use crate::time::Span;

/// Environment variable with the port, when the manifest names no other.
const PORT_ENV: &str = "PORT";
/// Between SIGTERM and SIGKILL, when the manifest does not say it.
const GRACE: Span = Span::seconds(10);
/// Longer than any process needs to end.
const GRACE_MAX: Span = Span::seconds(3_600);

impl VersionSpec {
    /// The command with its defaults, every problem noted. `path` is where the version stands in the manifest.
    pub(super) fn command(&self, command: &[String], path: &str, problems: &mut Problems) -> Option<Backend> {
        program(command, &format!("{path}.command"), problems);
        let backend = CommandBackend {
            command: command.to_vec(),
            instances: count(self.instances.unwrap_or(1), &format!("{path}.instances"), problems),
            port_env: self.port_env.clone().unwrap_or_else(|| PORT_ENV.to_owned()),
            env: self.env.clone().unwrap_or_default(),
            work_dir: self.work_dir.clone(),
            probe: self.probe.as_ref().and_then(|probe| probe.check(&format!("{path}.probe"), problems)),
            min_ready: self.min_ready.unwrap_or_default(),
            termination_grace: self.termination_grace.unwrap_or(GRACE),
        };
        if backend.termination_grace > GRACE_MAX {
            problems
                .add(format!("{path}.terminationGrace"), format!("{} is too long: write {GRACE_MAX} or less", backend.termination_grace));
        }
        environment(&backend, path, problems);
        if backend.work_dir.as_deref().is_some_and(|folder| folder.is_empty() || folder.contains('\0')) {
            problems.add(format!("{path}.workDir"), "is not a folder: write a path, or leave it out");
        }
        Some(Backend::Command(Box::new(backend)))
    }
}

fn program(command: &[String], path: &str, problems: &mut Problems) {
    match command {
        [] => problems.add(path, "is empty: write the program and its arguments, for example [./checkout, --fast]"),
        [program, rest @ ..] if rest.is_empty() && program.contains(char::is_whitespace) => {
            problems.add(path, format!("{program:?} is one word with spaces, and there is no shell: write the program and each argument on its own, for example [./checkout, --fast]"));
        }
        [program, ..] if program.is_empty() => problems.add(format!("{path}[0]"), "is empty: write the program"),
        _ => {}
    }
    if let Some(index) = command.iter().position(|part| part.contains('\0')) {
        problems.add(format!("{path}[{index}]"), "holds a NUL character, which no program can be given: remove it");
    }
}

fn environment(backend: &CommandBackend, path: &str, problems: &mut Problems) {
    if !is_variable(&backend.port_env) {
        problems.add(
            format!("{path}.portEnv"),
            format!("{:?} is not a variable: write letters, digits and _, for example PORT", backend.port_env),
        );
    }
    for (name, value) in &backend.env {
        let at = format!("{path}.env");
        if !is_variable(name) {
            problems.add(at, format!("{name:?} is not a variable: write letters, digits and _"));
        } else if *name == backend.port_env {
            problems.add(at, format!("sets {name}, which tells each instance its own port (portEnv): remove it"));
        } else if value.contains('\0') {
            problems.add(at, format!("{name} holds a NUL character, which no program can be given: remove it"));
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// How many instances there are at full size.
pub(super) fn count(instances: u32, path: &str, problems: &mut Problems) -> u32 {
    if !(1..=INSTANCES_MAX).contains(&instances) {
        problems.add(path, format!("{instances} is not possible: write 1 to {INSTANCES_MAX}"));
    }
    instances
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("PORT", true)]
    #[test_case("_my_port2", true)]
    #[test_case("2PORT", false; "digit first")]
    #[test_case("A=B", false; "equals sign")]
    #[test_case("", false; "empty")]
    fn variables(name: &str, expected: bool) {
        assert_eq!(is_variable(name), expected);
    }
}
