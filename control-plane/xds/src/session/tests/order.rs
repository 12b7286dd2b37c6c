//! What is sent when: order of kinds, only what changed, one response at a time.

use super::*;

#[test]
fn a_new_proxy_gets_what_is_named_before_what_names_it() {
    for variant in BOTH {
        settled(variant);
    }
}

#[test]
fn nothing_changed_is_acknowledged_at_once() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert!(proxy.set_target(2, &ONE).is_empty());
        assert_eq!(proxy.session.acked_sequence(), 2);
    }
}

#[test]
fn only_what_changed_is_sent() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert_eq!(proxy.set_target(2, &["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt=2"]), ["X shunt"]);
        assert_eq!(proxy.session.acked_sequence(), 1);
        assert!(proxy.ack("X").is_empty());
        assert_eq!(proxy.session.acked_sequence(), 2);
    }
}

#[test]
fn added_clusters_first_removed_clusters_last() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        let gone = if variant == Variant::Delta { "C  -a" } else { "C b" };
        let both = if variant == Variant::Delta { "C b" } else { "C b,a" };
        assert_eq!(proxy.set_target(2, &["C:b", "E:b", "L:shunt", "R:shunt=2", "X:shunt"]), [both]);
        assert!(proxy.ack("C").is_empty());
        assert_eq!(proxy.fresh("E", &["a", "b"]), ["E b"]);
        assert_eq!(proxy.ack("E"), ["R shunt"], "routes follow when the endpoints are there");
        assert_eq!(proxy.ack("R"), [gone], "what no route names any more goes");
        assert_eq!(proxy.session.acked_sequence(), 1);
        let endpoints = proxy.ack("C");
        if variant == Variant::Delta {
            assert_eq!(endpoints, ["E  -a"]);
            proxy.ack("E");
        }
        proxy.fresh("E", &["b"]);
        assert_eq!(proxy.session.acked_sequence(), 2, "{variant:?}");
    }
}

#[test]
fn one_response_at_a_time_and_the_newest_next() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        let config = |policy: &'static str| ["C:a", "E:a", "L:shunt", "R:shunt", policy];
        assert_eq!(proxy.set_target(2, &config("X:shunt=2")), ["X shunt"]);
        assert!(proxy.set_target(3, &config("X:shunt=3")).is_empty());
        assert!(proxy.set_target(4, &config("X:shunt=4")).is_empty(), "the proxy has not answered: nothing queues up");
        assert_eq!(proxy.ack("X"), ["X shunt"]);
        assert_eq!(proxy.session.acked_sequence(), 2, "configurations that come faster than answers do not hide what was acknowledged");
        assert!(proxy.set_target(5, &config("X:shunt=5")).is_empty());
        assert_eq!(proxy.ack("X"), ["X shunt"]);
        assert_eq!(proxy.session.acked_sequence(), 4);
        proxy.ack("X");
        assert_eq!(proxy.session.acked_sequence(), 5);
    }
}

#[test]
fn the_policy_waits_for_endpoints_that_are_about_to_be_asked_for() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        let new = if variant == Variant::Delta { "C b" } else { "C a,b" };
        assert_eq!(proxy.set_target(2, &["C:a", "C:b", "E:a", "E:b", "L:shunt", "R:shunt=2", "X:shunt=2"]), [new]);
        assert!(proxy.ack("C").is_empty(), "{variant:?}");
        assert_eq!(proxy.fresh("E", &["a", "b"]), ["E b"]);
        assert_eq!(proxy.ack("E"), ["R shunt"]);
        assert_eq!(proxy.ack("R"), ["X shunt"]);
    }
}

#[test]
fn a_changed_cluster_gets_its_endpoints_again() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert_eq!(proxy.set_target(2, &["C:a=2", "E:a", "L:shunt", "R:shunt", "X:shunt"]), ["C a", "E a"]);
        proxy.ack("E");
        assert_eq!(proxy.session.acked_sequence(), 1);
        proxy.ack("C");
        assert_eq!(proxy.session.acked_sequence(), 2, "a warming cluster is acknowledged last");
    }
}
