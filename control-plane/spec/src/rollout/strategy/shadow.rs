//! `shadow`: copies of requests go to the candidate, whose answers no user sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::matching::Match;

use super::{List, MirrorSpec, StepSpec, canary};
use crate::plan::Step;
use crate::rollout::quantity::Size;
use crate::schema::filter;
use crate::time::Span;

/// Copies for a while, and what comes then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowSpec {
    /// Percent of requests copied. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub weight: Option<Weight>,
    /// Any of these. Default: every request.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<filter::Match>>")]
    pub matches: Option<Vec<Match>>,
    /// Also methods other than GET, HEAD, OPTIONS. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsafe_methods: Option<bool>,
    /// Requests with a longer body are not copied. Default: 64KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<Size>,
    /// How long to analyse at least. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub duration: Option<Span>,
    /// What comes after: `promote`, `stop`, or a list of steps. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub then: Option<ThenSpec>,
}

/// What comes after the copies.
#[derive(Debug, Clone, PartialEq)]
pub enum ThenSpec {
    /// One of the two words.
    Word(ThenWord),
    /// Steps, as those of a canary.
    Steps(Vec<StepSpec>),
}

/// What comes after the copies, without steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThenWord {
    /// The candidate is promoted.
    Promote,
    /// The release ends, and the candidate goes.
    Stop,
}

impl ShadowSpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        if self.weight == Some(Weight::ZERO) {
            list.refuse(format!("{path}.weight"), "0 copies nothing: write more, or leave it out for all");
        }
        self.mirror(self.weight).add(path, list);
        if self.duration.is_none_or(|duration| duration == Span::default()) {
            list.refuse(format!("{path}.duration"), "is missing: write how long requests are copied, for example 30m");
        }
        list.push(format!("{path}.duration"), Step::Analysis(self.duration.unwrap_or_default()));
        let then = format!("{path}.then");
        match &self.then {
            None => list.refuse(then, "is missing: write promote, stop, or a list of steps"),
            Some(ThenSpec::Word(ThenWord::Stop)) => list.push(then, Step::Conclude),
            Some(ThenSpec::Word(ThenWord::Promote)) => {
                if let Some(why) = list.terms.no_jump.clone() {
                    list.refuse(
                        then,
                        format!("promote gives everybody the candidate at once, which is forbidden by {why}: write a list of steps"),
                    );
                }
            }
            Some(ThenSpec::Steps(steps)) => {
                self.mirror(Some(Weight::ZERO)).add(path, list);
                canary::written_steps(steps, &then, list);
            }
        }
    }

    fn mirror(&self, weight: Option<Weight>) -> MirrorSpec {
        match weight {
            Some(Weight::ZERO) => MirrorSpec { weight, ..MirrorSpec::default() },
            _ => MirrorSpec { weight, matches: self.matches.clone(), unsafe_methods: self.unsafe_methods, max_body: self.max_body },
        }
    }
}

impl Serialize for ThenSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ThenSpec::Word(word) => word.serialize(serializer),
            ThenSpec::Steps(steps) => steps.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ThenSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ThenVisitor)
    }
}

/// By hand: what serde derives for untagged enums loses the places of what is wrong inside.
struct ThenVisitor;

impl<'de> serde::de::Visitor<'de> for ThenVisitor {
    type Value = ThenSpec;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("promote, stop, or a list of steps")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ThenSpec, E> {
        match text {
            "promote" => Ok(ThenSpec::Word(ThenWord::Promote)),
            "stop" => Ok(ThenSpec::Word(ThenWord::Stop)),
            other => Err(E::custom(format_args!("{other:?} is not known here: write promote, stop, or a list of steps"))),
        }
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<ThenSpec, A::Error> {
        Vec::<StepSpec>::deserialize(serde::de::value::SeqAccessDeserializer::new(seq)).map(ThenSpec::Steps)
    }
}
