//! What a proxy asks for: names, all, again, no longer; stale nonces.

use super::*;

#[test]
fn a_stale_nonce_answers_nothing() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        let stale = proxy.nonces[&Kind::Extension].clone();
        proxy.set_target(2, &["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt=2"]);
        assert!(proxy.say(Kind::Extension, stale, None).is_empty());
        assert_eq!(proxy.session.acked_sequence(), 1);
        proxy.ack("X");
        assert_eq!(proxy.session.acked_sequence(), 2);
    }
}

#[test]
fn no_resources_are_an_answer_too() {
    for variant in BOTH {
        let mut proxy = Proxy::new(variant);
        assert!(proxy.fresh("C", &[]).is_empty(), "not before the first configuration");
        assert_eq!(proxy.set_target(1, &["L:shunt", "R:shunt", "X:shunt"]), ["C "], "a proxy waits for its first clusters");
        assert!(proxy.ack("C").is_empty());
        assert_eq!(proxy.session.acked_sequence(), 0, "it has no listener yet");
        assert_eq!(proxy.fresh("L", &[]), ["L shunt"]);
        assert!(proxy.set_target(2, &["L:shunt", "R:shunt", "X:shunt"]).is_empty(), "said once");
    }
}

#[test]
fn no_longer_named_but_still_among_all_is_sent_again() {
    let mut proxy = Proxy::new(Variant::Delta);
    proxy.set_target(1, &["C:a"]);
    assert_eq!(proxy.fresh("C", &["*", "a", "gone"]), ["C a -gone"]);
    proxy.ack("C");
    assert_eq!(proxy.fresh("C", &["*"]), ["C a -gone"]);
    proxy.ack("C");
    assert!(proxy.fresh("C", &["*"]).is_empty());
}

#[test]
fn asked_for_again_is_sent_again() {
    let mut proxy = settled(Variant::Delta);
    let nonce = proxy.nonces[&Kind::Endpoints].clone();
    let interest = Interest::Change { more: vec!["a".to_owned()], fewer: Vec::new() };
    let ask = Ask { kind: Kind::Endpoints, nonce, error: None, interest, knows: Knows::Each(BTreeMap::new()) };
    let pushes = proxy.session.hear(&ask);
    assert_eq!(proxy.heard(pushes), ["E a"]);
}

#[test]
fn a_name_that_does_not_exist_is_said_to_be_absent_once() {
    let mut proxy = settled(Variant::Delta);
    assert_eq!(proxy.fresh("E", &["a", "nowhere"]), ["E  -nowhere"]);
    assert!(proxy.ack("E").is_empty());
    assert_eq!(proxy.session.acked_sequence(), 1);
}

#[test]
fn a_proxy_that_wants_only_the_policy() {
    for variant in BOTH {
        let mut proxy = Proxy::new(variant);
        proxy.set_target(1, &["X:shunt"]);
        assert_eq!(proxy.fresh("X", &["shunt"]), ["X shunt"]);
        proxy.ack("X");
        assert_eq!(proxy.session.acked_sequence(), 1);
    }
}

#[test]
fn an_explicit_star_means_all() {
    for variant in BOTH {
        let mut proxy = Proxy::new(variant);
        proxy.set_target(1, &["C:a", "C:b"]);
        assert_eq!(proxy.fresh("C", &["*"]), ["C a,b"]);
    }
}
