//! What users may reach: found in the request when it is decided, in the response when it has ended.

use crate::fields::Values;
use crate::matching::{self, Condition};
use crate::outcome::Class;

/// A compiled [`crate::policy::Goal`].
#[derive(Debug, Clone)]
pub struct CompiledGoal {
    pub(crate) name: String,
    /// Any of these; empty: every request.
    pub(crate) matches: Vec<Condition>,
    pub(crate) answer: GoalAnswer,
}

/// What the response must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoalAnswer {
    pub(crate) status: (u16, u16),
    /// Name, lower case, and value; no value: any.
    pub(crate) header: Option<(String, Option<String>)>,
}

impl CompiledGoal {
    /// Its name in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the response must be like.
    pub fn answer(&self) -> &GoalAnswer {
        &self.answer
    }
}

impl GoalAnswer {
    /// Whether a response reaches it; `header` reads one of its headers. What failed within its body or by its gRPC status is not
    /// answered well, whatever status it began with.
    pub fn is_reached(&self, code: Option<u16>, class: Class, header: impl FnOnce(&str) -> Option<Vec<u8>>) -> bool {
        let (from, to) = self.status;
        let Some(code) = code.filter(|code| (from..=to).contains(code)) else { return false };
        let well = match class {
            Class::Succeeded | Class::Cancelled => true,
            Class::Failed => code >= 500,
            Class::Abandoned | Class::Uncounted => false,
        };
        well && match &self.header {
            None => true,
            Some((name, None)) => header(name).is_some(),
            Some((name, Some(value))) => header(name).is_some_and(|found| found == value.as_bytes()),
        }
    }
}

/// Some of the goals of a service or flag, by their position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GoalSet(u32);

impl GoalSet {
    /// Those whose request this is.
    pub(crate) fn of(goals: &[CompiledGoal], values: &Values<'_, '_>) -> Self {
        let mut set = 0;
        for (bit, goal) in bits().zip(goals) {
            if matching::any(&goal.matches, values) {
                set |= bit;
            }
        }
        Self(set)
    }

    /// True when there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of a list that it names.
    pub fn choose<T>(self, goals: &[T]) -> impl Iterator<Item = &T> {
        bits().zip(goals).filter(move |(bit, _)| self.0 & bit != 0).map(|(_, goal)| goal)
    }
}

/// One per position; [`crate::limits::GOALS`] is less than there are.
fn bits() -> impl Iterator<Item = u32> {
    (0..32).map(|position| 1u32 << position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn reached(answer: &GoalAnswer, code: Option<u16>, class: Class) -> bool {
        answer.is_reached(code, class, |name| (name == "x-paid").then(|| b"yes".to_vec()))
    }

    #[test_case(Some(200), Class::Succeeded, true; "in the range")]
    #[test_case(Some(302), Class::Succeeded, false; "out of the range")]
    #[test_case(Some(200), Class::Cancelled, true; "the client left with the answer")]
    #[test_case(None, Class::Abandoned, false; "the client left before it")]
    #[test_case(Some(200), Class::Failed, false; "broken off, or a bad gRPC status")]
    #[test_case(Some(200), Class::Uncounted, false; "not a request of a user")]
    fn by_status(code: Option<u16>, class: Class, expected: bool) {
        assert_eq!(reached(&GoalAnswer { status: (200, 299), header: None }, code, class), expected);
    }

    #[test]
    fn a_goal_may_be_a_failure() {
        assert!(reached(&GoalAnswer { status: (500, 503), header: None }, Some(503), Class::Failed));
    }

    #[test_case("x-paid", None, true; "any value")]
    #[test_case("x-paid", Some("yes"), true; "that value")]
    #[test_case("x-paid", Some("no"), false; "another value")]
    #[test_case("x-other", None, false; "absent")]
    fn by_header(name: &str, value: Option<&str>, expected: bool) {
        let answer = GoalAnswer { status: (200, 299), header: Some((name.to_owned(), value.map(str::to_owned))) };
        assert_eq!(reached(&answer, Some(200), Class::Succeeded), expected);
    }
}
