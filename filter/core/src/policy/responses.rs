//! Which answers that are no failures are counted.

use serde::{Deserialize, Serialize};

use crate::exemplar::Answer;
use crate::outcome::ResponseClass;

/// Which answers that are no failures are counted by class while an analysis runs, as slots and for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponsePolicy {
    /// Counted classes. Without `empty` no response's size is read.
    pub classes: Vec<ResponseClass>,
    /// Statuses that are meant, for example a new 302: they count in no class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<u16>,
    /// The same of gRPC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_grpc: Vec<u32>,
}

impl ResponsePolicy {
    /// All classes.
    pub fn all() -> Self {
        Self { classes: ResponseClass::ALL.to_vec(), ..Self::default() }
    }

    /// True when a class is counted, as far as statuses do not say otherwise.
    pub fn has(&self, class: ResponseClass) -> bool {
        self.classes.contains(&class)
    }

    /// True when an answer of this class is counted.
    pub fn counts(&self, class: ResponseClass, answer: Option<Answer>) -> bool {
        let meant = match answer {
            Some(Answer::Status(status)) => self.ignore.contains(&status),
            Some(Answer::GrpcStatus(status)) => self.ignore_grpc.contains(&status),
            Some(Answer::Reset | Answer::Timeout | Answer::Unreachable | Answer::Overflow) | None => false,
        };
        self.has(class) && !meant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(ResponseClass::Rejected, Answer::Status(404), true; "counted")]
    #[test_case(ResponseClass::Redirect, Answer::Status(302), false; "meant")]
    #[test_case(ResponseClass::Redirect, Answer::Status(301), true; "another one than is meant")]
    #[test_case(ResponseClass::Empty, Answer::Status(200), false; "not among the classes")]
    #[test_case(ResponseClass::RejectedGrpc, Answer::GrpcStatus(5), false; "meant, gRPC")]
    #[test_case(ResponseClass::RejectedGrpc, Answer::GrpcStatus(302), true; "a number of HTTP is none of gRPC")]
    fn counted(class: ResponseClass, answer: Answer, expected: bool) {
        let classes = vec![ResponseClass::Redirect, ResponseClass::Rejected, ResponseClass::RejectedGrpc];
        let policy = ResponsePolicy { classes, ignore: vec![302], ignore_grpc: vec![5] };
        assert_eq!(policy.counts(class, Some(answer)), expected);
    }

    #[test]
    fn all_classes() {
        assert!(ResponseClass::ALL.iter().all(|class| ResponsePolicy::all().has(*class)));
    }
}
