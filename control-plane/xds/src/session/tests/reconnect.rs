//! Streams of proxies that have something from an earlier stream.

use super::*;

/// A proxy that has these resources from an earlier stream and subscribes to all of them in Envoy's order; what it hears.
fn returns(proxy: &mut Proxy, has: &[&str]) -> Vec<String> {
    let known = snapshot(has);
    let mut heard = Vec::new();
    for (kind, letter) in [(Kind::Cluster, "C"), (Kind::Endpoints, "E"), (Kind::Listener, "L"), (Kind::Routes, "R"), (Kind::Extension, "X")]
    {
        let versions = || known.of(kind).map(|resource| (resource.name.as_str(), resource.version.as_str()));
        let names: Vec<&str> = if kind.whole() { Vec::new() } else { versions().map(|(name, _)| name).collect() };
        let knows = match proxy.session.variant {
            Variant::StateOfTheWorld => Knows::Whole(version_of(versions())),
            Variant::Delta => Knows::Each(versions().map(|(name, version)| (name.to_owned(), version.to_owned())).collect()),
        };
        heard.extend(proxy.subscribe(letter, &names, knows));
    }
    heard
}

#[test]
fn a_restarted_server_sends_nothing_again() {
    for variant in BOTH {
        let mut proxy = Proxy::new(variant);
        proxy.set_target(1, &ONE);
        assert!(returns(&mut proxy, &ONE).is_empty());
        assert_eq!(proxy.session.acked_sequence(), 1);
    }
}

#[test]
fn a_restarted_server_that_knows_nothing_yet_says_nothing() {
    for variant in BOTH {
        let mut proxy = Proxy::new(variant);
        assert!(returns(&mut proxy, &ONE).is_empty(), "removing all would be the end of traffic");
        assert_eq!(proxy.session.acked_sequence(), 0);
        assert!(proxy.set_target(1, &ONE).is_empty(), "and what the proxy has is still known when the first configuration comes");
        assert_eq!(proxy.session.acked_sequence(), 1);
    }
}

#[test]
fn a_reconnecting_proxy_gets_what_changed_and_loses_what_went_meanwhile() {
    let mut proxy = Proxy::new(Variant::Delta);
    proxy.set_target(1, &["C:a", "E:a", "L:shunt", "R:shunt=2", "X:shunt"]);
    let heard = returns(&mut proxy, &["C:a", "C:old", "E:a", "E:old", "L:shunt", "R:shunt", "X:shunt"]);
    assert_eq!(heard, ["R shunt"], "clusters stay while routes may name them");
    assert_eq!(proxy.session.acked_sequence(), 0);
    assert_eq!(proxy.ack("R"), ["C  -old"]);
    assert_eq!(proxy.ack("C"), ["E  -old"]);
    proxy.ack("E");
    assert_eq!(proxy.session.acked_sequence(), 1);
}
