//! Exit codes, for pipelines.

use std::process::ExitCode;

use super::console::Format;
use super::failure;

/// How a command ended, when it ended without an error (those are 1, or 2 for wrong usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done; for `status`: what `release:` names is stable.
    Done,
    /// 1: something is wrong with what was looked at (`lint`).
    Wrong,
    /// 2: what should be looked at cannot be read (commands whose 1 means a difference).
    Unreadable,
    /// 3: the release was refused.
    Degraded,
    /// 4: `--timeout` passed first.
    TimedOut,
    /// 5: an operator must decide.
    Paused,
    /// 6: still on its way (without `--wait`).
    Progressing,
    /// 7: over without a promotion, as planned.
    Concluded,
}

/// The table for `--help`.
pub(crate) const TABLE: &str = "Exit codes:
  0  what `release:` names is stable (Healthy)
  1  error, for example the server cannot be reached
  2  wrong usage
  3  the release was refused: aborted by the analysis or by an operator (Degraded), or its routes by a proxy (Rejected)
  4  --timeout passed first
  5  the run waits for an operator (Paused)
  6  still on its way (Progressing, only without --wait)
  7  over as planned without a promotion: a shadow that only looked, an A/B test without a winner";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Wrong => 1,
            Exit::Unreadable => 2,
            Exit::Degraded => 3,
            Exit::TimedOut => 4,
            Exit::Paused => 5,
            Exit::Progressing => 6,
            Exit::Concluded => 7,
        })
    }
}

impl Exit {
    /// Says on standard error what cannot be read: for commands whose exit code 1 means something else.
    pub(crate) fn unreadable(error: &anyhow::Error, format: Format) -> Self {
        eprintln!("{}", failure::text(error, format));
        Exit::Unreadable
    }
}
