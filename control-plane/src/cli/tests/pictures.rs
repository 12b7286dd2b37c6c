//! What people see, as snapshots.

use insta::assert_snapshot;
use jiff::tz::TimeZone;
use serde_json::json;
use shunt_api::explain::{Explanation, Question};
use shunt_api::rollouts::{History, RolloutList};
use shunt_core::status::RolloutStatus;
use shunt_spec::Time;

use super::views::{NOW, degraded, healthy, list, progressing, proxies};
use crate::cli::frame::{Size, frame};
use crate::cli::paint::Paint;
use crate::cli::show;

#[test]
fn all() {
    assert_snapshot!(show::all::table(&list(), Paint::Plain).join("\n"));
}

#[test]
fn none_at_all() {
    let empty = RolloutList { rollouts: Vec::new(), problems: Vec::new(), notices: Vec::new() };
    assert_snapshot!(show::all::table(&empty, Paint::Plain).join("\n"));
}

#[test]
fn one_under_way() {
    assert_snapshot!(show::one::tree(&progressing(), &proxies(), Paint::Plain, NOW, &TimeZone::UTC).join("\n"));
}

#[test]
fn one_refused() {
    assert_snapshot!(show::one::tree(&degraded(), &proxies(), Paint::Plain, NOW, &TimeZone::UTC).join("\n"));
}

#[test]
fn one_at_rest() {
    assert_snapshot!(show::one::tree(&healthy(), &proxies(), Paint::Plain, NOW, &TimeZone::UTC).join("\n"));
}

#[test]
fn the_same_in_colour() {
    let lines = show::one::tree(&progressing(), &proxies(), Paint::Colour, NOW, &TimeZone::UTC).join("\n");
    assert_snapshot!(lines.replace('\u{1b}', "ESC"));
    let plain = show::one::tree(&progressing(), &proxies(), Paint::Plain, NOW, &TimeZone::UTC).join("\n");
    let widths = |text: &str| text.lines().map(crate::cli::paint::width).collect::<Vec<_>>();
    assert_eq!(widths(&lines), widths(&plain), "colour moves nothing");
}

#[test]
fn all_proxies() {
    assert_snapshot!(show::proxies::table(&proxies(), Paint::Plain, NOW).join("\n"));
}

#[test]
fn an_explanation() {
    let question: Question = serde_json::from_value(json!({"host": "shop.test", "path": "/cart"})).unwrap();
    let answer: Explanation = serde_json::from_value(json!({
        "generation": 41, "rollout": "shop/checkout", "version": "v2", "reason": "cookie shunt-id falls at 12345, which is v2's",
        "route": "shop/checkout/v2;mirror=v3", "mirror": "v3", "setCookie": null,
        "notes": ["rule \"testers\" falls through: v3 was refused", "spec.key comes from the MeshPolicy"],
    }))
    .unwrap();
    assert_snapshot!(show::explanation::lines(&question, &answer, Paint::Plain).join("\n"));
}

#[test]
fn an_explanation_left_to_chance() {
    let question: Question = serde_json::from_value(json!({"host": "shop.test"})).unwrap();
    let answer: Explanation = serde_json::from_value(json!({
        "generation": 41, "rollout": "shop/checkout", "version": null, "reason": "the request brings no key of its own",
        "chances": [{"version": "v1", "percent": 95.0}, {"version": "v2", "percent": 5.0}],
        "route": null, "mirror": null, "setCookie": "shunt-id=0f; Path=/", "notes": [],
    }))
    .unwrap();
    assert_snapshot!(show::explanation::lines(&question, &answer, Paint::Plain).join("\n"));
}

/// What `shunt watch` draws on a small terminal: 80 columns, 18 lines.
#[test]
fn frames_of_watch() {
    let held = RolloutStatus {
        held: Some(Time(NOW.0 - 7_000)),
        frozen: Some("by ann: incident 4711".to_owned()),
        opens: Some(Time(NOW.0 + 183_000)),
        ..progressing()
    };
    let long = "waits for a pass: errors: needs 52 more requests of v2; slow: v2 has answered 31 of the 200 requests that the comparison of percentiles needs";
    let list = RolloutList { rollouts: vec![RolloutStatus { message: long.to_owned(), ..held.clone() }, degraded()], ..list() };
    let one = show::one::tree(&held, &proxies(), Paint::Plain, NOW, &TimeZone::UTC);
    let all = show::all::narrow(&list, Paint::Plain, NOW, &TimeZone::UTC);
    let size = Size { width: 80, height: 18 };
    let pictures = [frame(&one, size), frame(&all, size)];
    for picture in &pictures {
        assert!(picture.len() <= 18 && picture.iter().all(|line| line.chars().count() <= 80), "{picture:#?}");
    }
    let [one, all] = pictures.map(|lines| lines.join("\n"));
    assert_snapshot!(format!("{one}\n\n{all}"));
}

#[test]
fn a_history() {
    let entries = vec![super::server::entry(1, "v1 is stable"), super::server::entry(12, "promoted past \"pause\" by ada\u{1b}[2J")];
    let releases = vec![shunt_core::journal::ReleaseAsked {
        at: super::views::NOW,
        version: "v2".parse().unwrap(),
        by: "ada".to_owned(),
        reason: "ticket 812".to_owned(),
    }];
    let history = History { entries, calls: progressing().calls, releases };
    assert_snapshot!(show::transitions::lines(&history, Paint::Plain, &TimeZone::UTC).join("\n"));
}
