//! `release:` is the only thing that a command edits: every other byte stays.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use proptest::prelude::*;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::manifest::{EditError, edit_release, parse};
use test_case::test_case;

fn id(text: &str) -> RolloutId {
    text.parse().unwrap()
}

fn version(text: &str) -> VersionName {
    text.parse().unwrap()
}

/// A manifest whose line `release:` is given as it stands.
fn manifest(line: &str) -> String {
    format!(
        "# release: v1 (not this one)\napiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\n\
         spec:\n  service: {{hosts: [checkout]}}   # release: v1\n  versions:\n    - {{name: v1, endpoints: [\"127.0.0.1:9001\"]}}\n    \
         - {{name: v2, endpoints: [\"127.0.0.1:9002\"]}}\n    - {{name: \"2\", endpoints: [\"127.0.0.1:9003\"]}}\n{line}\n  maxExposed: 5 # end\n"
    )
}

#[test_case("  release: v1", "v2", "  release: v2"; "plain")]
#[test_case("  release: v1   # was v0", "v2", "  release: v2   # was v0"; "comment after it")]
#[test_case("  release:    v1", "v2", "  release:    v2"; "spaces before it")]
#[test_case("  release: 'v1'", "v2", "  release: 'v2'"; "single quotes")]
#[test_case("  release: \"v1\" ", "v2", "  release: \"v2\" "; "double quotes")]
#[test_case("  \"release\": v1", "v2", "  \"release\": v2"; "quoted key")]
#[test_case("  release:\n    v1", "v2", "  release:\n    v2"; "on the next line")]
#[test_case("  release: v1", "2", "  release: \"2\""; "a name that needs quotes")]
#[test_case("  release: \"2\"", "v1", "  release: \"v1\""; "a name that needed quotes")]
#[test_case("  release: v1\r", "v2", "  release: v2\r"; "carriage return")]
#[test_case("  release: gone", "v2", "  release: v2"; "from a version that is not listed")]
fn only_the_release_changes(before: &str, to: &str, after: &str) {
    let edited = edit_release(&manifest(before), &id("shop/checkout"), &version(to)).unwrap();
    assert_eq!(edited, manifest(after));
    let documents = parse("shop.yaml", &edited).unwrap();
    assert_eq!(documents[0].rollout().unwrap().spec.release, Some(version(to)));
}

#[test]
fn the_right_one_of_several_documents_changes() {
    let one = manifest("  release: v1");
    let other = one.replace("name: checkout,", "name: cart,");
    let text = format!("{other}---\n{one}---\n# nothing here\n");
    let edited = edit_release(&text, &id("shop/checkout"), &version("v2")).unwrap();
    assert_eq!(edited, format!("{other}---\n{}---\n# nothing here\n", manifest("  release: v2")));
}

#[test]
fn letters_of_several_bytes_and_a_byte_order_mark_stay() {
    let text = format!("\u{feff}# Käse 🧀\n{}", manifest("  release: v1 # Käse 🧀"));
    let edited = edit_release(&text, &id("shop/checkout"), &version("v2")).unwrap();
    assert_eq!(edited, format!("\u{feff}# Käse 🧀\n{}", manifest("  release: v2 # Käse 🧀")));
}

#[test]
fn flow_style_and_default_namespace() {
    let text =
        "{apiVersion: shunt.dev/v1alpha1, kind: Rollout, metadata: {name: a}, spec: {release: v1, versions: [{name: v1}, {name: v2}]}}";
    let edited = edit_release(text, &id("default/a"), &version("v2")).unwrap();
    assert_eq!(edited, text.replace("release: v1", "release: v2"));
}

#[test]
fn the_same_release_is_no_change() {
    let text = manifest("  release: v2");
    assert_eq!(edit_release(&text, &id("shop/checkout"), &version("v2")).unwrap(), text);
}

#[test_case("  release: v1", "shop/other", "v2", "there is no Rollout shop/other in it"; "another Rollout")]
#[test_case("  release: v1", "shop/checkout", "v9", "version \"v9\" is not in spec.versions of shop/checkout (there are: v1, v2, 2): add it there first"; "unknown version")]
#[test_case("", "shop/checkout", "v2", "line 6: spec of shop/checkout has no release: add the line `release: v2` to it"; "no release")]
#[test_case("  release: |\n    v1", "shop/checkout", "v2", "line 11: release is not written as a plain word there: change it to `release: v2` by hand"; "block")]
#[test_case("  release: !!str v1", "shop/checkout", "v2", "line 11: release is not written as a plain word there: change it to `release: v2` by hand"; "tag")]
#[test_case("  release: \"v\\x31\"", "shop/checkout", "v2", "line 11: release is not written as a plain word there: change it to `release: v2` by hand"; "escape")]
#[test_case("  release: [v1]", "shop/checkout", "v2", "line 11: release is not written as a plain word there: change it to `release: v2` by hand"; "list")]
#[test_case("  release: v1\n  release: v2", "shop/checkout", "v2", "line 12: release: appears twice in one mapping, first on line 11: remove one"; "twice")]
#[test_case("  release:", "shop/checkout", "v2", "line 11: release is not written as a plain word there: change it to `release: v2` by hand"; "empty")]
fn what_cannot_be_edited_safely_says_which_line_to_change(line: &str, rollout: &str, to: &str, says: &str) {
    let error = edit_release(&manifest(line), &id(rollout), &version(to)).unwrap_err();
    assert_eq!(error.to_string(), says);
}

#[test]
fn an_alias_is_not_edited_where_it_is_defined() {
    let text = manifest("  release: *now").replace("{name: v1,", "{name: &now v1,");
    let error = edit_release(&text, &id("shop/checkout"), &version("v2")).unwrap_err();
    assert_eq!(error, EditError::ByHand { line: 11, version: version("v2") });
}

#[test]
fn one_rollout_written_twice_is_not_edited() {
    let text = format!("{}---\n{}", manifest("  release: v1"), manifest("  release: v1"));
    let error = edit_release(&text, &id("shop/checkout"), &version("v2")).unwrap_err();
    assert_eq!(error, EditError::Twice { id: id("shop/checkout"), first: 2, second: 15 });
}

proptest! {
    /// Whatever is edited there and back is as it was, and whatever the text is, nothing panics.
    #[test]
    fn there_and_back(quote in "['\"]?", space in " {1,5}", comment in "( #[ -~]{0,20})?", ending in "(\r\n|\n)") {
        let text = manifest(&format!("  release:{space}{quote}v1{quote}{comment}")).replace('\n', &ending);
        let there = edit_release(&text, &id("shop/checkout"), &version("v2")).unwrap();
        prop_assert_ne!(&there, &text);
        prop_assert_eq!(edit_release(&there, &id("shop/checkout"), &version("v1")).unwrap(), text);
    }

    #[test]
    fn any_text_is_edited_or_refused(text in "\\PC{0,200}") {
        let _ = edit_release(&text, &id("shop/checkout"), &version("v2"));
        let _ = parse("any.yaml", &text);
    }

    /// Manifests with something random in one place are read or refused with a line of the file.
    #[test]
    fn damaged_manifests_are_refused_with_a_line(at in 0_usize..400, junk in "[\\[\\]{}:,&*#?|>!%@`'\" a\n\t-]{1,4}") {
        let mut text = manifest("  release: v1");
        text.insert_str(at.min(text.len()), &junk);
        if let Err(errors) = parse("any.yaml", &text) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!((1..=text.lines().count() + 1).contains(&error.line), "{error}");
            }
        }
    }
}
