//! Goals of an A/B test: counted by the proxies, or figures of an external source.

use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::Goal;

use crate::plan::external_metrics::Source;
use crate::time::Span;

/// Interim, so that no response ends with it.
const CONTINUE: u16 = 100;

/// What counts as success in an A/B test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TestGoal {
    /// A response that the proxies see, once per user.
    Counted(Goal),
    /// Figures of an external source.
    External(Box<ExternalGoal>),
}

impl TestGoal {
    /// Its name in results.
    pub fn name(&self) -> &str {
        match self {
            TestGoal::Counted(goal) => &goal.name,
            TestGoal::External(goal) => &goal.name,
        }
    }

    /// What the proxies get. They report who takes part where goals are counted, and the check of the users' shares needs that, so one
    /// with a source is there too: no response has its status.
    pub fn policy(&self) -> Goal {
        match self {
            TestGoal::Counted(goal) => goal.clone(),
            TestGoal::External(goal) => {
                Goal { name: goal.name.clone(), matches: Vec::new(), status: (CONTINUE, CONTINUE), response_header: None }
            }
        }
    }
}

/// A goal of which an external source has the figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalGoal {
    /// Its name in results.
    pub name: String,
    /// Who is asked. Its own query or path is not used: `figures` has them.
    pub source: Source,
    /// What is asked, of each version.
    pub figures: FiguresAsked,
    /// Time between two questions.
    pub interval: Span,
    /// Errors in a row that are allowed; one more holds the test.
    pub consecutive_error_limit: u32,
}

/// What is asked of a version: each is PromQL, or a place in a JSON answer (RFC 9535).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FiguresAsked {
    /// How many users reached it.
    Share {
        /// Users that met the version since the test began.
        users: String,
        /// Those of them who reached the goal.
        successes: String,
    },
    /// What users brought.
    Mean {
        /// Users that met the version since the test began.
        users: String,
        /// What each of them brought on average.
        mean: String,
        /// Variance of what they brought.
        variance: String,
    },
}

impl FiguresAsked {
    /// The questions, in the order in which the contest's figures take the answers.
    pub fn asks(&self) -> Vec<&str> {
        match self {
            FiguresAsked::Share { users, successes } => vec![users, successes],
            FiguresAsked::Mean { users, mean, variance } => vec![users, mean, variance],
        }
    }
}
