//! NACKs.

use super::*;

#[test]
fn a_refused_resource_is_not_sent_again_until_it_changes() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert_eq!(proxy.set_target(2, &["C:a=bad", "E:a", "L:shunt", "R:shunt", "X:shunt"]), ["C a", "E a"]);
        proxy.ack("E");
        assert!(proxy.nack("C", "no such thing").is_empty());
        let nack = proxy.session.nack().unwrap();
        assert_eq!((nack.error.as_str(), nack.sequence, nack.type_url.as_str()), ("no such thing", 2, Kind::Cluster.type_url()));
        assert!(proxy.set_target(3, &["C:a=bad", "E:a", "L:shunt", "R:shunt", "X:shunt"]).is_empty());
        assert_eq!(proxy.session.acked_sequence(), 1, "a configuration with something refused is not acknowledged");
        assert_eq!(proxy.set_target(4, &ONE), ["C a", "E a"], "the old content is a change after the bad one");
        proxy.ack("C");
        proxy.ack("E");
        assert_eq!(proxy.session.nack(), None);
        assert_eq!(proxy.session.acked_sequence(), 4);
    }
}

#[test]
fn the_policy_does_not_wait_for_a_refused_cluster() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        proxy.set_target(2, &["C:a", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt=2", "X:shunt"]);
        proxy.nack("C", "bad cluster");
        let heard = proxy.set_target(3, &["C:a", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt=2", "X:shunt=back"]);
        assert_eq!(heard, ["X shunt"], "a way back must not hang on a bad cluster; routes that name it must");
    }
}

#[test]
fn refused_in_company_is_tried_alone() {
    let mut proxy = settled(Variant::Delta);
    let config = ["C:a=2", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt", "X:shunt"];
    assert_eq!(proxy.set_target(2, &config), ["C a,b", "E a"]);
    proxy.ack("E");
    assert_eq!(proxy.nack("C", "one of them"), ["C a", "E a"]);
    proxy.ack("E");
    assert_eq!(proxy.ack("C"), ["C b"]);
    assert!(proxy.nack("C", "b is bad").is_empty(), "b was refused alone");
    assert_eq!(proxy.session.nack().map(|nack| nack.error).as_deref(), Some("b is bad"));
    assert_eq!(proxy.session.acked_sequence(), 1);
    assert_eq!(proxy.set_target(3, &["C:a=2", "C:b=good", "E:a", "E:b", "L:shunt", "R:shunt", "X:shunt"]), ["C b"]);
    proxy.ack("C");
    assert_eq!(proxy.fresh("E", &["a", "b"]), ["E b"]);
    proxy.ack("E");
    assert_eq!((proxy.session.nack(), proxy.session.acked_sequence()), (None, 3));
}

#[test]
fn a_whole_response_accepted_clears_what_was_refused_in_it() {
    let mut proxy = settled(Variant::StateOfTheWorld);
    let config = |a: &'static str, b: &'static str| [a, b, "E:a", "E:b", "L:shunt", "R:shunt", "X:shunt"];
    assert_eq!(proxy.set_target(2, &config("C:a=bad", "C:b")), ["C a,b", "E a"]);
    proxy.ack("E");
    proxy.nack("C", "a is bad");
    proxy.fresh("E", &["a", "b"]);
    proxy.ack("E");
    assert_eq!(proxy.set_target(3, &config("C:a=good", "C:b")), ["C a,b", "E a,b"]);
    proxy.ack("C");
    proxy.ack("E");
    assert_eq!((proxy.session.nack(), proxy.session.acked_sequence()), (None, 3));
}

#[test]
fn what_was_refused_alone_is_named() {
    let mut proxy = settled(Variant::Delta);
    proxy.set_target(2, &["C:a=2", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt", "X:shunt"]);
    proxy.ack("E");
    proxy.nack("C", "one of them");
    assert_eq!(proxy.session.nack().map(|nack| nack.resources), Some(Vec::new()), "it is not known which");
    proxy.ack("E");
    proxy.ack("C");
    proxy.nack("C", "b is bad");
    assert_eq!(proxy.session.nack().map(|nack| nack.resources), Some(vec!["b".to_owned()]));
}

/// What isolation of a Rollout does: the same configuration without what is refused, whose company is as it was.
#[test]
fn without_what_is_refused_everything_else_arrives() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        proxy.set_target(2, &["C:a", "C:b=bad", "C:g", "E:a", "E:b", "E:g", "L:shunt", "R:shunt=2", "X:shunt"]);
        proxy.nack("C", "b is bad");
        if variant == Variant::Delta {
            // One by one: b is refused, g is not.
            proxy.nack("C", "b is bad");
            proxy.ack("C");
        }
        let heard = proxy.set_target(3, &["C:a", "C:g", "E:a", "E:g", "L:shunt", "R:shunt=3", "X:shunt"]);
        if variant == Variant::StateOfTheWorld {
            assert_eq!(heard, ["C a,g"], "the refused one is not sent again, though routes that might name it are still there");
            proxy.ack("C");
        }
        assert_eq!(proxy.fresh("E", &["a", "g"]), ["E g"]);
        assert_eq!(proxy.ack("E"), ["R shunt"]);
        proxy.ack("R");
        if variant == Variant::Delta {
            proxy.ack("C");
            proxy.ack("E");
        }
        assert_eq!((proxy.session.nack(), proxy.session.acked_sequence()), (None, 3), "{variant:?}");
    }
}

#[test]
fn a_whole_response_that_was_refused_is_sent_again_when_anything_in_it_changes() {
    let mut proxy = settled(Variant::StateOfTheWorld);
    proxy.set_target(2, &["C:a", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt", "X:shunt"]);
    proxy.nack("C", "b is bad");
    assert_eq!(proxy.set_target(3, &["C:a=2", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt", "X:shunt"]), ["C a,b", "E a"]);
    proxy.nack("C", "b is bad");
    assert_eq!(proxy.session.nack().map(|nack| nack.sequence), Some(3));
}

#[test]
fn endpoints_do_not_wait_for_a_refused_cluster() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        proxy.set_target(2, &["C:a", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt", "X:shunt"]);
        proxy.nack("C", "b is bad");
        assert_eq!(proxy.set_target(3, &["C:a", "C:b=bad", "E:a=2", "E:b", "L:shunt", "R:shunt", "X:shunt"]), ["E a"]);
    }
}

#[test]
fn a_refusal_names_the_configuration_that_was_refused() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        proxy.set_target(2, &["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt=bad"]);
        proxy.set_target(3, &["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt=bad"]);
        proxy.nack("X", "no such thing");
        assert_eq!(proxy.session.nack().map(|nack| nack.sequence), Some(2));
        assert!(proxy.set_target(4, &["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt=bad"]).is_empty());
        assert_eq!(proxy.session.acked_sequence(), 1);
    }
}
