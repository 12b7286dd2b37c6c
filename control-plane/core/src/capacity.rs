//! What instances a version has, as far as the platform knows.

use std::fmt;

use serde::{Deserialize, Serialize};

use shunt_spec::time::Time;

/// Instances of one version. A version that is absent from the observation is not known yet, and nothing advances on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Capacity {
    /// Its instances are not ours to start or stop (endpoints written in the manifest, clusters of the user's own Envoy, values).
    Unmanaged,
    /// Instances that we start, or that register themselves.
    Instances {
        /// How many are asked for.
        wanted: u32,
        /// Ready for at least `minReady`, of the present manifest, and in discovery.
        ready: u32,
        /// Processes alive or registered, whatever their state: starting, ready, draining.
        running: u32,
        /// When the last of the ready ones became ready; 0: none is.
        #[serde(default)]
        newest: Time,
        /// Why some are not ready, with exit codes and the last words of the log; empty when all is well.
        trouble: String,
        /// Set while an instance of the present manifest ends again and again before it is ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        crash_loop: Option<CrashLoop>,
    },
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// `exit code 3`, `ended by signal 9`, or why there was no process at all.
    pub how: String,
    /// The last line of its output; empty: it wrote none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)?;
        if self.words.is_empty() { Ok(()) } else { write!(f, ": {}", self.words) }
    }
}

/// One instance that ends again and again before it is ready: it will not get well by waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CrashLoop {
    /// Its last ends, oldest first; never empty.
    pub exits: Vec<Exit>,
}

/// Longest output that is quoted, characters.
const WORDS_MAX: usize = 200;

/// `ended 3 times before it was ready (exit code 1 each time), its last output: no such table`
impl fmt::Display for CrashLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&str> = self.exits.iter().map(|exit| exit.how.as_str()).collect();
        let same = all.windows(2).all(|two| two.first() == two.last());
        let (times, last) = (self.exits.len(), self.exits.last());
        write!(f, "ended {times} times before it was ready ")?;
        match all.first() {
            Some(first) if same => write!(f, "({first} each time)")?,
            Some(_) | None => write!(f, "({})", all.join(", "))?,
        }
        match last.map(|exit| exit.words.chars().take(WORDS_MAX).collect::<String>()) {
            Some(words) if !words.is_empty() => write!(f, ", its last output: {words}"),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(&["exit code 1"; 3], "no such table", "ended 3 times before it was ready (exit code 1 each time), its last output: no such table")]
    #[test_case(&["exit code 1"; 3], "", "ended 3 times before it was ready (exit code 1 each time)"; "it wrote nothing")]
    #[test_case(&["exit code 1", "ended by signal 11", "exit code 1"], "x", "ended 3 times before it was ready (exit code 1, ended by signal 11, exit code 1), its last output: x"; "in several ways")]
    fn crash_loops_are_told_with_their_statuses(how: &[&str], words: &str, expected: &str) {
        let exits = how.iter().map(|how| Exit { how: (*how).to_owned(), words: words.to_owned() }).collect();
        assert_eq!(CrashLoop { exits }.to_string(), expected);
    }
}
