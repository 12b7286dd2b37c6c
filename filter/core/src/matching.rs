//! Which requests a rule, a mirror or a goal means.
//!
//! Conditions inside one [`Match`] are AND, a list of matches is OR. `not` takes a list: none of them may match. A condition on
//! something that the request does not carry is false, so `not: [{headers: {x: {exact: "a"}}}]` is true without `x`.
//!
//! Raw and compiled are two types: [`Match`] is what people and policies write; compiling makes a `Condition` of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::fields::{CookieAt, Fields, HeaderAt, QueryAt, Values};
use crate::limits;
use path::PathTest;
use string::{Budget, Text};

pub(crate) mod cookie;
pub(crate) mod header;
pub(crate) mod method;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod regex;
pub(crate) mod string;

/// Conditions on a request, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// By header name, upper or lower case. Several lines of one name count as one value joined by `,`, as Envoy's own matchers do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, StringMatch>,
    /// By cookie name, case-sensitive. Of several cookies of one name the first counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cookies: BTreeMap<String, StringMatch>,
    /// By name of a query parameter, decoded. Of several the first counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, StringMatch>,
    /// The path without the query, as it came (not decoded).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Any of these methods, upper case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// None of these may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<Match>,
}

/// A condition on one text. Exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StringMatch {
    /// The whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// How it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// What stands somewhere in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The whole value, by a regular expression (syntax of Rust's `regex`, classes such as `\d` are ASCII).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// `true`: it is there, even if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// `true`: it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<bool>,
}

/// A condition on the path. Exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMatch {
    /// The whole path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Its first segments: `/shop` matches `/shop` and `/shop/cart`, not `/shopping` (Gateway API `PathPrefix`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The whole path, by a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

/// What all regular expressions of some matches cost one request together, in the unit of [`limits::REGEX_WORK`].
pub fn regex_work(matches: &[Match]) -> usize {
    let of = |one: &Match| {
        let texts = one.headers.values().chain(one.cookies.values()).chain(one.query.values()).filter_map(|text| text.regex.as_deref());
        let all = texts.chain(one.path.iter().filter_map(|path| path.regex.as_deref()));
        all.fold(regex_work(&one.not), |sum, text| sum.saturating_add(regex::work(text)))
    };
    matches.iter().fold(0, |sum, one| sum.saturating_add(of(one)))
}

/// A compiled [`Match`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    headers: Vec<(HeaderAt, Text)>,
    cookies: Vec<(CookieAt, Text)>,
    query: Vec<(QueryAt, Text)>,
    path: Option<PathTest>,
    methods: Vec<String>,
    not: Vec<Condition>,
}

/// What compiling the matches of a service collects.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) fields: Fields,
    pub(crate) budget: Budget,
    pub(crate) method: bool,
    pub(crate) path: bool,
}

impl Reads {
    /// A list of matches.
    #[inline(never)]
    pub(crate) fn compile(&mut self, matches: &[Match], at: &At<'_>) -> Result<Vec<Condition>, PolicyError> {
        at.bound(matches.len(), limits::MATCHES)?;
        matches.iter().enumerate().map(|(index, raw)| self.condition(raw, &at.index(index), Depth::Outer)).collect()
    }

    #[inline(never)]
    fn condition(&mut self, raw: &Match, at: &At<'_>, depth: Depth) -> Result<Condition, PolicyError> {
        let count =
            [raw.headers.len(), raw.cookies.len(), raw.query.len(), raw.methods.len(), raw.not.len(), usize::from(raw.path.is_some())];
        let count = count.iter().fold(0usize, |sum, part| sum.saturating_add(*part));
        if count == 0 {
            return Err(at.wrong(Problem::EmptyMatch));
        }
        at.bound(count, limits::CONDITIONS)?;
        self.budget.conditions(count, at)?;
        let not = at.field("not");
        if depth == Depth::Inner && !raw.not.is_empty() {
            return Err(not.wrong(Problem::NotInNot));
        }
        self.method |= !raw.methods.is_empty();
        self.path |= raw.path.is_some() || !raw.query.is_empty();
        Ok(Condition {
            headers: self.texts(&raw.headers, &at.field("headers"), Fields::header)?,
            cookies: self.texts(&raw.cookies, &at.field("cookies"), Fields::cookie)?,
            query: self.texts(&raw.query, &at.field("query"), Fields::query)?,
            path: match &raw.path {
                Some(path) => Some(PathTest::compile(path, &mut self.budget, &at.field("path"))?),
                None => None,
            },
            methods: method::compile(&raw.methods, &at.field("methods"))?,
            not: raw
                .not
                .iter()
                .enumerate()
                .map(|(index, raw)| self.condition(raw, &not.index(index), Depth::Inner))
                .collect::<Result<_, _>>()?,
        })
    }

    fn texts<F>(
        &mut self,
        raw: &BTreeMap<String, StringMatch>,
        at: &At<'_>,
        note: impl Fn(&mut Fields, &str, &At<'_>) -> Result<F, PolicyError>,
    ) -> Result<Vec<(F, Text)>, PolicyError> {
        let compiled = raw.iter().map(|(name, text)| {
            let at = at.key(name);
            Ok((note(&mut self.fields, name, &at)?, Text::compile(text, &mut self.budget, &at)?))
        });
        compiled.collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    Inner,
}

impl Condition {
    /// Whether every part holds; the cheap ones are asked first.
    pub(crate) fn holds(&self, values: &Values<'_, '_>) -> bool {
        let request = values.request;
        (self.methods.is_empty() || self.methods.contains(&request.method))
            && self.path.as_ref().is_none_or(|path| path.holds(&request.path))
            && self.headers.iter().all(|(header, text)| text.holds(values.header(*header)))
            && self.cookies.iter().all(|(cookie, text)| text.holds(values.cookie(*cookie)))
            && self.query.iter().all(|(parameter, text)| text.holds(values.query(*parameter)))
            && !self.not.iter().any(|condition| condition.holds(values))
    }
}

/// Whether any of a list holds; an empty list holds for every request.
pub(crate) fn any(conditions: &[Condition], values: &Values<'_, '_>) -> bool {
    conditions.is_empty() || conditions.iter().any(|condition| condition.holds(values))
}
