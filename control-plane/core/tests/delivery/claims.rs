//! Reports of generations that were never published.

use super::*;
use shunt_core::delivery::Belief;

#[test]
fn a_generation_that_was_never_published_is_a_claim_and_nothing_else() {
    let mut reports = Reports::default();
    let says = |vm: &str, generation| Report { generation, ..post("edge", vm, 1) };
    assert_eq!(reports.believe(&says("w0", 1 << 53), 40, at(0)), Belief::FirstClaim);
    assert_eq!(reports.believe(&says("w0", 1 << 53), 40, at(5)), Belief::Repeated);
    assert_eq!(reports.believe(&says("w1", 40), 40, at(5)), Belief::Published, "another VM says what can be");
    assert_eq!(reports.claims(at(6)), BTreeMap::from([("edge".to_owned(), 1 << 53)]));
    assert_eq!(reports.claims(at(65)), BTreeMap::new(), "said no more");
    assert_eq!(reports.believe(&says("w0", 41), 41, at(66)), Belief::Published, "it got what we published");
    assert_eq!(reports.believe(&says("w0", 41), 41, at(67)), Belief::Published);
}

#[test]
fn the_number_of_another_store_does_not_become_true_when_ours_reaches_it() {
    let mut reports = Reports::default();
    let says = |generation| Report { generation, ..post("edge", "w0", 1) };
    assert_eq!(reports.believe(&says(42), 40, at(0)), Belief::FirstClaim);
    assert_eq!(reports.believe(&says(42), 42, at(5)), Belief::Repeated, "its 42 is another policy than ours");
    assert_eq!(reports.believe(&says(41), 42, at(6)), Belief::Published, "it was given ours");
    assert_eq!(reports.believe(&says(42), 42, at(7)), Belief::Published);
}

#[test]
fn claims_do_not_fill_the_memory() {
    let mut reports = Reports::default();
    for number in 0..20_000_u64 {
        let report = Report { generation: 9, ..post(&format!("n{}", number % 7_000), &format!("vm{number}"), 1) };
        assert_ne!(reports.believe(&report, 1, at(0)), Belief::Published);
    }
    assert!(reports.claims(at(1)).len() <= 4_096);
    reports.sweep(at(60));
    assert_eq!(reports.claims(at(60)).len(), 0);
}
