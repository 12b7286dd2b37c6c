//! The table of cases, natively: policy and request in, decision and headers out. The same table runs through a real Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test"
)]

use std::collections::BTreeSet;
use std::path::Path;

use shunt_filter_core::decision::FlagsHeader;
use shunt_filter_core::names::FLAGS_HEADER;
use shunt_filter_core::{Decisions, Request, Router, compile};

#[path = "../testdata/table.rs"]
mod table;

use table::{Case, Table, fits};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cases");

/// What came of a request, in the words of the table.
fn run(router: &Router, case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, expected: Option<&str>, found: Option<String>| {
        if expected.map(str::to_owned) != found && !expected.zip(found.as_deref()).is_some_and(|(pattern, text)| fits(pattern, text)) {
            wrong.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    };
    let expect = &case.expect;
    let site = router.site(&case.request.authority);
    check("service", expect.service.as_deref(), site.and_then(|site| site.service()).map(|service| service.name().to_string()));
    let Some(site) = site else { return wrong };
    let whole = case.request.to_request();
    let request = needed(&whole, site.needs());
    let decisions = site.decide(&request);
    if decisions != site.decide(&whole) {
        check("decision with no more than the needed", Some("the same"), Some("another".to_owned()));
    }
    check("set-cookie", expect.set_cookie.as_deref(), decisions.generated().first().map(|generated| generated.set_cookie.clone()));
    check("flags", expect.upstream.flags.as_deref(), flags(&whole, &decisions));
    if let Some(cookie) = &expect.upstream.cookie {
        check("cookie", Some(cookie), cookies(&whole, &decisions));
    }
    let Some(decision) = decisions.service else { return wrong };
    check("version", expect.version.as_deref(), Some(decision.version.to_string()));
    if let Some(reason) = &expect.reason {
        check("reason", Some(reason), Some(decision.reason.to_string()));
    }
    check("mirror", expect.mirror.as_deref(), decision.mirror.map(ToString::to_string));
    check("keyless", Some(&expect.keyless.to_string()), Some(decision.keyless.to_string()));
    check("route", expect.upstream.route.as_deref(), decision.route.map(str::to_owned));
    wrong
}

/// The request with nothing but what the site says it must be told: proves that `needs` is complete.
fn needed(request: &Request, needs: &shunt_filter_core::Needs) -> Request {
    let mut request = request.clone();
    request.headers.retain(|(name, _)| needs.headers.contains(name));
    if !needs.method {
        request.method.clear();
    }
    if !needs.path {
        request.path.clear();
    }
    if !needs.request_id {
        request.request_id.clear();
    }
    request
}

fn flags(request: &Request, decision: &Decisions<'_>) -> Option<String> {
    match &decision.flags_header {
        FlagsHeader::Keep => joined(request, FLAGS_HEADER, ", "),
        FlagsHeader::Remove => None,
        FlagsHeader::Set(text) => Some(text.clone()),
    }
}

fn cookies(request: &Request, decisions: &Decisions<'_>) -> Option<String> {
    let sent = joined(request, "cookie", "; ");
    let made = decisions.generated().into_iter().find(|generated| generated.is_new());
    let made = made.map(|generated| format!("{}={}", generated.cookie, generated.value));
    match (sent, made) {
        (Some(sent), Some(made)) => Some(format!("{sent}; {made}")),
        (sent, made) => sent.or(made),
    }
}

fn joined(request: &Request, name: &str, by: &str) -> Option<String> {
    let lines: Vec<_> =
        request.headers.iter().filter(|(line, _)| line == name).map(|(_, v)| String::from_utf8_lossy(v).into_owned()).collect();
    (!lines.is_empty()).then(|| lines.join(by))
}

fn tables() -> std::collections::BTreeMap<String, Table> {
    table::load(Path::new(FOLDER))
}

#[test]
fn every_case_decides_as_the_table_says() {
    let mut wrong = Vec::new();
    for (file, table) in tables() {
        let router = compile(table.policy.clone(), table.namespace.as_deref()).unwrap_or_else(|error| panic!("{file}: {error}"));
        for case in &table.cases {
            wrong.extend(run(&router, case).into_iter().map(|difference| format!("{file}: {}: {difference}", case.name)));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_is_large_and_its_names_are_distinct() {
    let names: Vec<_> =
        tables().into_iter().flat_map(|(file, table)| table.cases.into_iter().map(move |case| (file.clone(), case.name))).collect();
    assert!(names.len() >= 90, "only {} cases", names.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn patterns() {
    assert!(fits("a={id}; x", "a=0123456789abcdef0123456789abcdef; x"));
    assert!(!fits("a={id}; x", "a=0123456789abcdef0123456789abcdeg; x"));
    assert!(fits("point {number} (slot", "point 41,233 (slot"));
    assert!(!fits("point {number}", "point "));
    assert!(!fits("a", "ab") && !fits("ab", "a"));
}
