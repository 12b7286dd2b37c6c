//! Examples of what failed, or was no usual answer: a few per version, so that people see what a verdict is about.

use std::cmp::Reverse;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::method::Method;
use crate::outcome::ResponseClass;
use crate::template::TEMPLATE_MAX;

/// Exemplars of one version in one epoch, at most.
pub const EXEMPLARS_MAX: usize = 8;

/// Requests of one version that ended alike, with the same method at paths of one form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exemplar {
    /// What they count as.
    pub kind: ExemplarKind,
    /// What the client got; none when it got nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Their method.
    pub method: Method,
    /// The form of their path ([`crate::template::template`]), without a query.
    pub path: String,
    /// How many there were at least: those that came before this exemplar found room are not counted.
    pub count: u64,
    /// How many more there may have been.
    #[serde(skip)]
    missed: u64,
}

/// What the requests of an exemplar count as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExemplarKind {
    /// [`crate::outcome::Class::Failed`].
    Failed,
    /// [`crate::outcome::Class::Abandoned`].
    Abandoned,
    /// In flight without an answer, for longer than `hangAfterMs`.
    Hanging,
    /// [`ResponseClass::Redirect`].
    Redirect,
    /// [`ResponseClass::Rejected`].
    Rejected,
    /// [`ResponseClass::Empty`].
    Empty,
    /// [`ResponseClass::RejectedGrpc`].
    RejectedGrpc,
}

/// What a client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// A response with this status.
    Status(u16),
    /// A gRPC response with this status.
    GrpcStatus(u32),
    /// The upstream's connection or stream broke.
    Reset,
    /// It took too long.
    Timeout,
    /// No connection: refused, no healthy endpoint, no cluster, no address.
    Unreachable,
    /// Envoy's circuit breakers or its overload protection refused it.
    Overflow,
}

/// The exemplars of one version: the most frequent ones, of each kind that there is at least one.
///
/// Counts follow the space-saving algorithm (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in
/// data streams, 2005) within each kind, so that what is frequent stays however many others there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Exemplars(Vec<Exemplar>);

impl Exemplar {
    /// One request.
    pub fn new(kind: ExemplarKind, answer: Option<Answer>, method: Method, path: String) -> Self {
        Self { kind, answer, method, path, count: 1, missed: 0 }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.kind, self.answer, self.method) == (other.kind, other.answer, other.method) && self.path == other.path
    }

    /// How many there may have been.
    fn rank(&self) -> u64 {
        self.count.saturating_add(self.missed)
    }
}

impl Exemplars {
    /// All of them, the most frequent first.
    pub fn iter(&self) -> impl Iterator<Item = &Exemplar> {
        self.0.iter()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more request. Without room it takes the place of the least frequent one of the kind with most exemplars.
    pub fn note(&mut self, mut new: Exemplar) {
        if !self.count(&new) {
            if self.0.len() >= EXEMPLARS_MAX
                && let Some(victim) = self.victim(Some(new.kind)).map(|at| self.0.swap_remove(at))
                && victim.kind == new.kind
            {
                new.missed = victim.rank();
            }
            self.0.push(new);
        }
        self.sort();
    }

    /// Adds another VM's.
    pub fn add(&mut self, other: &Self) {
        for theirs in &other.0 {
            if !self.count(theirs) {
                self.0.push(theirs.clone());
            }
        }
        while self.0.len() > EXEMPLARS_MAX {
            let Some(at) = self.victim(None) else { break };
            self.0.swap_remove(at);
        }
        self.sort();
    }

    /// Adds to the one that is like it, if there is one.
    fn count(&mut self, more: &Exemplar) -> bool {
        let Some(known) = self.0.iter_mut().find(|known| known.is_like(more)) else { return false };
        known.count = known.count.saturating_add(more.count);
        known.missed = known.missed.saturating_add(more.missed);
        true
    }

    /// The least frequent one of the kind with most exemplars, one more of `coming` included.
    fn victim(&self, coming: Option<ExemplarKind>) -> Option<usize> {
        let of_kind = |kind: ExemplarKind| {
            let there = self.0.iter().filter(|other| other.kind == kind).count();
            (there.saturating_add(usize::from(coming == Some(kind))), coming == Some(kind))
        };
        let places = self.0.iter().enumerate();
        places.max_by_key(|(_, exemplar)| (of_kind(exemplar.kind), Reverse(exemplar.rank()))).map(|(at, _)| at)
    }

    /// By insertion, of a handful: the sort of the standard library is some kilobytes of code in the module.
    fn sort(&mut self) {
        let order = |exemplar: &Exemplar| (Reverse(exemplar.count), exemplar.kind, exemplar.answer, exemplar.method);
        let goes_before = |left: &Exemplar, right: &Exemplar| (order(left), &left.path) < (order(right), &right.path);
        for end in 1..self.0.len() {
            for at in (1..=end).rev() {
                let before = at.saturating_sub(1);
                match (self.0.get(before), self.0.get(at)) {
                    (Some(left), Some(right)) if goes_before(right, left) => self.0.swap(before, at),
                    _ => break,
                }
            }
        }
    }
}

impl ExemplarKind {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
            Self::Hanging => "hanging",
            Self::Redirect => "redirect",
            Self::Rejected => "rejected",
            Self::Empty => "empty",
            Self::RejectedGrpc => "rejectedGrpc",
        }
    }
}

impl From<ResponseClass> for ExemplarKind {
    fn from(class: ResponseClass) -> Self {
        match class {
            ResponseClass::Redirect => Self::Redirect,
            ResponseClass::Rejected => Self::Rejected,
            ResponseClass::Empty => Self::Empty,
            ResponseClass::RejectedGrpc => Self::RejectedGrpc,
        }
    }
}

/// `503`, `gRPC 14`, `reset`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::GrpcStatus(status) => write!(f, "gRPC {status}"),
            Self::Reset => f.write_str("reset"),
            Self::Timeout => f.write_str("timeout"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Overflow => f.write_str("overflow"),
        }
    }
}

/// `GET /orders/*: 503`; without an answer what it counts as, `POST /pay: abandoned`; both for an empty answer, `GET /: 200, empty`.
impl fmt::Display for Exemplar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.method.as_str(), self.path)?;
        match (self.kind, self.answer) {
            (ExemplarKind::Empty, Some(answer)) => write!(f, "{answer}, empty"),
            (_, Some(answer)) => write!(f, "{answer}"),
            (kind, None) => f.write_str(kind.as_str()),
        }
    }
}

/// By hand, so that no more than [`EXEMPLARS_MAX`] are ever held, with paths no longer than a template.
impl<'de> Deserialize<'de> for Exemplars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ExemplarsVisitor)
    }
}

struct ExemplarsVisitor;

impl<'de> Visitor<'de> for ExemplarsVisitor {
    type Value = Exemplars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {EXEMPLARS_MAX} exemplars")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Exemplars, A::Error> {
        let mut exemplars = Exemplars::default();
        while let Some(next) = seq.next_element::<Exemplar>()? {
            if exemplars.0.len() >= EXEMPLARS_MAX {
                return Err(A::Error::invalid_length(EXEMPLARS_MAX.saturating_add(1), &self));
            }
            if next.path.len() > TEMPLATE_MAX {
                return Err(A::Error::custom(format_args!("a path of {} bytes; at most {TEMPLATE_MAX} are told", next.path.len())));
            }
            if !exemplars.count(&next) {
                exemplars.0.push(next);
            }
        }
        exemplars.sort();
        Ok(exemplars)
    }
}

#[cfg(test)]
mod tests;
