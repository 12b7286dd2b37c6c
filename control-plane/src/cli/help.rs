//! `shunt --help`: commands by what people want to do, and the options of all commands once.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::Cli;

/// What people want to do, and the commands for it, in the order in which they are needed.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Release", &["release", "rollback", "delete", "freeze", "unfreeze"]),
    ("Look", &["get", "watch", "status", "history", "logs", "proxies", "audit"]),
    ("Decide about a running release", &["promote", "approve", "pause", "resume", "abort", "retry"]),
    ("Set up", &["serve", "envoy-bootstrap", "certs", "token", "lint", "schema", "plan", "diff", "render", "completion", "version"]),
    ("Try", &["sample-server", "load"]),
    ("Debug", &["doctor", "explain", "replay", "forget", "recover"]),
];

/// What stands around the groups.
const TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}\n\nGROUPS\nOptions of every command:\n{options}{after-help}";

/// Below the help of each command, instead of the options that all have.
const EVERYWHERE: &str = "--server, -o and the other options of every command: `shunt --help`";

/// The command line as it is parsed and shown: as derived, with its help in groups.
pub(super) fn command() -> Command {
    let mut shunt = Cli::command();
    let template = TEMPLATE.replace("GROUPS", &groups(&shunt));
    shunt = shunt.help_template(template);
    // Options of every command are passed down by this.
    shunt.build();
    shunt.mut_subcommands(once)
}

/// Without the options of every command in its help; they are taken all the same.
fn once(command: Command) -> Command {
    let command = command.mut_args(|argument| if argument.is_global_set() { argument.hide(true) } else { argument });
    let usual = "{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}\n\nEVERYWHERE{after-help}";
    let template = usual.replace("EVERYWHERE", EVERYWHERE);
    command.help_template(template).mut_subcommands(once)
}

fn groups(shunt: &Command) -> String {
    let shown = |name: &&str| shunt.find_subcommand(name);
    let width = GROUPS.iter().flat_map(|(_, names)| names.iter()).map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(text, "{title}:");
        for command in names.iter().filter_map(shown) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {:width$}  {about}", command.get_name());
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let mut found: BTreeMap<&str, usize> = BTreeMap::new();
        GROUPS.iter().flat_map(|(_, names)| names.iter()).for_each(|name| *found.entry(name).or_default() += 1);
        let shunt = Cli::command();
        for command in shunt.get_subcommands().filter(|command| !command.is_hide_set()) {
            assert_eq!(found.remove(command.get_name()), Some(1), "{}", command.get_name());
        }
        assert!(found.is_empty(), "{found:?} are no commands");
    }

    #[test]
    fn the_groups_fit_on_a_terminal_of_80_columns() {
        for line in groups(&Cli::command()).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn options_of_every_command_stand_once() {
        let mut shunt = command();
        assert!(shunt.render_help().to_string().contains("--server <URL>"));
        for name in ["get", "promote", "lint"] {
            let help = shunt.find_subcommand_mut(name).unwrap().render_help().to_string();
            assert!(!help.contains("<URL>") && help.contains("`shunt --help`"), "{help}");
        }
        let create = shunt.find_subcommand_mut("token").unwrap().find_subcommand_mut("create").unwrap().render_help().to_string();
        assert!(!create.contains("<URL>") && create.contains("--role"), "{create}");
        command().try_get_matches_from(["shunt", "get", "--server", "http://127.0.0.1:1", "-o", "json"]).unwrap();
    }
}
