//! Where in a policy something stands: `services[2].rules[0].match[1].cookies.beta.regex`.

use std::fmt;

use crate::compile::{PolicyError, Problem};

/// A path through a policy, built on the stack while compiling goes down; written out only when something is wrong.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    /// A field of a struct.
    Field(&'a str),
    /// An entry of a list.
    Index(usize),
    /// An entry of a map.
    Key(&'a str),
}

impl<'a> At<'a> {
    pub(crate) fn root(field: &'a str) -> Self {
        Self { parent: None, step: Step::Field(field) }
    }

    pub(crate) fn field(&'a self, field: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Field(field) }
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    pub(crate) fn wrong(&self, problem: Problem) -> PolicyError {
        PolicyError { field: self.to_string(), problem }
    }

    /// At most `limit` of something.
    pub(crate) fn bound(&self, count: usize, limit: usize) -> Result<(), PolicyError> {
        if count > limit { Err(self.wrong(Problem::TooMany { count, limit })) } else { Ok(()) }
    }

    /// At most `limit` bytes.
    pub(crate) fn length(&self, text: &str, limit: usize) -> Result<(), PolicyError> {
        if text.len() > limit { Err(self.wrong(Problem::TooLong { length: text.len(), limit })) } else { Ok(()) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_none() => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) if plain(key) => write!(f, ".{key}"),
            Step::Key(key) => write!(f, "[{key:?}]"),
        }
    }
}

fn plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_the_policy() {
        let services = At::root("services");
        let service = services.index(2);
        let rules = service.field("rules");
        let rule = rules.index(0);
        let cookies = rule.field("cookies");
        assert_eq!(cookies.key("beta").field("regex").to_string(), "services[2].rules[0].cookies.beta.regex");
        assert_eq!(cookies.key("a.b").to_string(), "services[2].rules[0].cookies[\"a.b\"]");
    }
}
