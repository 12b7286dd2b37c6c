//! Versions compared by what an external source says of their users.
//!
//! Of each version it tells the number of users and either how many reached the goal, or mean and variance of what they brought. With
//! d = m_1 − m_0, V = s_1²/n_1 + s_0²/n_0 and n = n_1 + n_0, the interval
//!
//! d ± sqrt(V · (nρ² + 1)/(nρ²) · ln((nρ² + 1)/α²))
//!
//! holds at every evaluation: an asymptotic confidence sequence by Robbins' normal mixture (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas,
//! arXiv 2103.06476), as the experimentation platforms have it. It asks for many independent users, not for a distribution. ρ is what
//! makes it narrowest at [`BEST`] users. A share of no users, or of all, would have no variance: half a user more on either side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;
use shunt_spec::plan::FiguresAsked;

use super::lift::Lift;

/// Users of both versions at which the interval is narrowest.
const BEST: f64 = 5_000.0;

/// So many times the users may have succeeded, when all of them did: `increase` and `rate` extrapolate each series by itself.
const EXTRAPOLATED: f64 = 1.02;

/// What a source says of one version since the test began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Figures {
    /// How many users reached the goal.
    Share {
        /// All.
        users: f64,
        /// Those who did.
        successes: f64,
    },
    /// What users brought.
    Mean {
        /// How many.
        users: f64,
        /// On average.
        mean: f64,
        /// Of each.
        variance: f64,
    },
}

impl Figures {
    /// Of the answers to [`FiguresAsked::asks`], in that order. Errors are sentences for people.
    pub fn read(asked: &FiguresAsked, answers: &[f64]) -> Result<Self, String> {
        let figures = match (asked, answers) {
            (FiguresAsked::Share { .. }, [users, successes]) => Figures::Share { users: *users, successes: *successes },
            (FiguresAsked::Mean { .. }, [users, mean, variance]) => Figures::Mean { users: *users, mean: *mean, variance: *variance },
            _ => return Err(format!("{} answers to {} questions", answers.len(), asked.asks().len())),
        };
        if let Some(wrong) = answers.iter().find(|answer| !answer.is_finite()) {
            return Err(format!("{wrong} is no figure"));
        }
        match figures {
            Figures::Share { users, successes } if successes < 0.0 || successes > users * EXTRAPOLATED + 1.0 => {
                Err(format!("{successes} of {users} users cannot have reached it"))
            }
            Figures::Share { users, successes } => Ok(Figures::Share { users, successes: successes.min(users) }),
            Figures::Mean { users, variance, .. } if users < 0.0 || variance < 0.0 => {
                Err(format!("{users} users with a variance of {variance} are not possible"))
            }
            figures => Ok(figures),
        }
    }

    /// How many.
    pub(super) fn users(self) -> f64 {
        match self {
            Figures::Share { users, .. } | Figures::Mean { users, .. } => users,
        }
    }

    /// Mean and its variance, in percentage points for shares.
    fn mean(self) -> (f64, f64) {
        match self {
            Figures::Share { users, successes } => {
                let smooth = (successes + 0.5) / (users + 1.0);
                (100.0 * successes / users.max(1.0), 10_000.0 * smooth * (1.0 - smooth) / users.max(1.0))
            }
            Figures::Mean { users, mean, variance } => (mean, variance / users.max(1.0)),
        }
    }
}

/// What is known of a goal with a source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExternalFigures {
    /// By version, as the source said last.
    pub figures: BTreeMap<VersionName, Figures>,
    /// Errors in a row, now.
    pub errors: u32,
    /// The last one; empty when there is none now.
    pub error: String,
}

impl ExternalFigures {
    /// One more answer, of all versions at once; a version that is absent has no data yet.
    pub fn take(&mut self, answer: Result<BTreeMap<VersionName, Figures>, String>) {
        match answer {
            Ok(figures) => *self = Self { figures, ..Self::default() },
            Err(error) => (self.errors, self.error) = (self.errors.saturating_add(1), error),
        }
    }
}

/// `one` against `other`, right with probability 1 − `alpha` at all evaluations together.
pub(super) fn lift(one: Figures, other: Figures, alpha: f64) -> Lift {
    let ((mean, variance), (of_other, variance_of_other)) = (one.mean(), other.mean());
    let difference = mean - of_other;
    let users = one.users() + other.users();
    if one.users() < 1.0 || other.users() < 1.0 {
        return Lift { difference: 0.0, low: f64::NEG_INFINITY, high: f64::INFINITY };
    }
    let spread = users * rho_squared(alpha);
    let radius = ((variance + variance_of_other) * (spread + 1.0) / spread * ((spread + 1.0) / (alpha * alpha)).ln()).sqrt();
    Lift { difference, low: difference - radius, high: difference + radius }
}

/// ρ² (arXiv 2103.06476, appendix B.2).
fn rho_squared(alpha: f64) -> f64 {
    let log = -2.0 * alpha.ln();
    (log + (log + 1.0).ln()) / BEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(&[100.0, 5.0], true)]
    #[test_case(&[100.0, 100.3], true; "extrapolated")]
    #[test_case(&[100.0, 110.0], false; "more than all")]
    #[test_case(&[100.0, -1.0], false; "less than none")]
    #[test_case(&[f64::INFINITY, 1.0], false; "endless")]
    #[test_case(&[100.0], false; "one answer missing")]
    fn shares(answers: &[f64], right: bool) {
        let asked = FiguresAsked::Share { users: String::new(), successes: String::new() };
        assert_eq!(Figures::read(&asked, answers).is_ok(), right);
    }

    #[test]
    fn by_hand() {
        // Means 10 and 8, variances of the means 4/100 + 9/100, α = 5 %, n = 200: nρ² = 200·(5.991 + ln 6.991)/5000 = 0.3174,
        // radius = sqrt(0.13 · 1.3174/0.3174 · ln(1.3174/0.0025)) = sqrt(0.13 · 4.1503 · 6.2671) = 1.8388.
        let one = Figures::Mean { users: 100.0, mean: 10.0, variance: 4.0 };
        let other = Figures::Mean { users: 100.0, mean: 8.0, variance: 9.0 };
        let Lift { difference, low, high } = lift(one, other, 0.05);
        assert!((difference - 2.0).abs() < 1e-12 && (low - 0.1612).abs() < 1e-3 && (high - 3.8388).abs() < 1e-3, "{low} to {high}");
    }

    #[test]
    fn no_users_say_nothing() {
        let none = Figures::Share { users: 0.0, successes: 0.0 };
        let some = Figures::Share { users: 1_000.0, successes: 0.0 };
        assert!(lift(none, some, 0.05).low.is_infinite());
        let alike = lift(some, some, 0.05);
        assert!(alike.low < 0.0 && alike.high > 0.0, "no success at all is not certain to be none: {alike:?}");
    }
}
