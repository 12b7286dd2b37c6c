//! Protocol scripts: what a proxy says, what it hears. No server, no Envoy.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;

use super::*;

/// A snapshot with these resources, written `kind:name=content`.
fn snapshot(resources: &[&str]) -> Snapshot {
    let mut made = Snapshot::default();
    for text in resources {
        let (kind, rest) = text.split_once(':').unwrap();
        let (name, content) = rest.split_once('=').unwrap_or((rest, "1"));
        // The session never looks into a body, so any message will do.
        let body = Cluster { name: name.to_owned(), alt_stat_name: content.to_owned(), ..Cluster::default() };
        made.add(kind_of(kind), Resource::new(name, &body));
    }
    made
}

fn kind_of(text: &str) -> Kind {
    match text {
        "C" => Kind::Cluster,
        "E" => Kind::Endpoints,
        "L" => Kind::Listener,
        "R" => Kind::Routes,
        "X" => Kind::Extension,
        _ => panic!("not a kind: {text}"),
    }
}

/// A proxy with its stream: remembers nonces, as a proxy does.
struct Proxy {
    session: Session,
    nonces: BTreeMap<Kind, String>,
    names: BTreeMap<Kind, Vec<String>>,
}

impl Proxy {
    fn new(variant: Variant) -> Self {
        Self { session: Session::new(variant), nonces: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// What is sent, as `C a,b -c` (resources sent, resources removed).
    fn heard(&mut self, pushes: Vec<Push>) -> Vec<String> {
        let variant = self.session.variant;
        pushes.into_iter().map(|push| self.one(&push, variant)).collect()
    }

    fn one(&mut self, push: &Push, variant: Variant) -> String {
        self.nonces.insert(push.kind, push.nonce.clone());
        let sent: Vec<String> = match variant {
            Variant::Delta => delta::response(push).resources.into_iter().map(|r| r.name).collect(),
            Variant::StateOfTheWorld if push.kind.whole() => push.all.iter().map(|r| r.name.clone()).collect(),
            Variant::StateOfTheWorld => push.changed.iter().map(|r| r.name.clone()).collect(),
        };
        let letter = ["C", "E", "L", "R", "X"][Kind::ALL.iter().position(|kind| *kind == push.kind).unwrap()];
        let removed: String = push.removed.iter().filter(|_| variant == Variant::Delta).map(|name| format!(" -{name}")).collect();
        format!("{letter} {}{removed}", sent.join(","))
    }

    fn aim(&mut self, world: u64, resources: &[&str]) -> Vec<String> {
        let pushes = self.session.aim(world, snapshot(resources));
        self.heard(pushes)
    }

    /// First request of a kind, or a change of names.
    fn subscribe(&mut self, kind: &str, names: &[&str], knows: Knows) -> Vec<String> {
        let kind = kind_of(kind);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let old = self.names.insert(kind, names.clone()).unwrap_or_default();
        let interest = match self.session.variant {
            Variant::StateOfTheWorld => Interest::Exactly(names),
            Variant::Delta => Interest::Change {
                more: names.iter().filter(|name| !old.contains(name)).cloned().collect(),
                fewer: old.iter().filter(|name| !names.contains(name)).cloned().collect(),
            },
        };
        let nonce = self.nonces.get(&kind).cloned().unwrap_or_default();
        let pushes = self.session.hear(&Ask { kind, nonce, error: None, interest, knows });
        self.heard(pushes)
    }

    fn fresh(&mut self, kind: &str, names: &[&str]) -> Vec<String> {
        let knows = match self.session.variant {
            Variant::StateOfTheWorld => Knows::Whole(String::new()),
            Variant::Delta => Knows::Each(BTreeMap::new()),
        };
        self.subscribe(kind, names, knows)
    }

    fn answer(&mut self, kind: &str, error: Option<&str>) -> Vec<String> {
        let kind = kind_of(kind);
        let nonce = self.nonces.get(&kind).cloned().unwrap_or_default();
        self.say(kind, nonce, error)
    }

    fn say(&mut self, kind: Kind, nonce: String, error: Option<&str>) -> Vec<String> {
        let interest = match self.session.variant {
            Variant::StateOfTheWorld => Interest::Exactly(self.names.get(&kind).cloned().unwrap_or_default()),
            Variant::Delta => Interest::Change { more: Vec::new(), fewer: Vec::new() },
        };
        let ask = Ask { kind, nonce, error: error.map(str::to_owned), interest, knows: Knows::Each(BTreeMap::new()) };
        let pushes = self.session.hear(&ask);
        self.heard(pushes)
    }

    fn ack(&mut self, kind: &str) -> Vec<String> {
        self.answer(kind, None)
    }

    fn nack(&mut self, kind: &str, error: &str) -> Vec<String> {
        self.answer(kind, Some(error))
    }
}

const BOTH: [Variant; 2] = [Variant::StateOfTheWorld, Variant::Delta];
const ONE: [&str; 5] = ["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt"];

/// A proxy that has `ONE`, all acknowledged as world 1.
fn settled(variant: Variant) -> Proxy {
    let mut proxy = Proxy::new(variant);
    assert!(proxy.aim(1, &ONE).is_empty(), "nobody asked yet");
    assert_eq!(proxy.fresh("C", &[]), ["C a"]);
    assert!(proxy.fresh("L", &[]).is_empty(), "listeners wait until clusters are acknowledged");
    assert!(proxy.ack("C").is_empty(), "and until endpoints are asked for");
    assert_eq!(proxy.fresh("E", &["a"]), ["E a"]);
    assert_eq!(proxy.ack("E"), ["L shunt"]);
    assert!(proxy.ack("L").is_empty());
    assert_eq!(proxy.fresh("R", &["shunt"]), ["R shunt"]);
    assert!(proxy.fresh("X", &["shunt"]).is_empty(), "the policy waits while routes are on their way");
    assert_eq!(proxy.session.acked_world(), 0);
    assert_eq!(proxy.ack("R"), ["X shunt"]);
    assert_eq!(proxy.session.acked_world(), 0, "the policy is not acknowledged yet");
    assert!(proxy.ack("X").is_empty());
    assert_eq!(proxy.session.acked_world(), 1);
    proxy
}

#[test]
fn a_new_proxy_gets_what_is_named_before_what_names_it() {
    BOTH.map(|variant| drop(settled(variant)));
}

#[test]
fn nothing_changed_is_acknowledged_at_once() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert!(proxy.aim(2, &ONE).is_empty());
        assert_eq!(proxy.session.acked_world(), 2);
    }
}

#[test]
fn only_what_changed_is_sent() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert_eq!(proxy.aim(2, &["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt=2"]), ["X shunt"]);
        assert_eq!(proxy.session.acked_world(), 1);
        assert!(proxy.ack("X").is_empty());
        assert_eq!(proxy.session.acked_world(), 2);
    }
}

#[test]
fn added_clusters_first_removed_clusters_last() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        let gone = if variant == Variant::Delta { "C  -a" } else { "C b" };
        let both = if variant == Variant::Delta { "C b" } else { "C b,a" };
        assert_eq!(proxy.aim(2, &["C:b", "E:b", "L:shunt", "R:shunt=2", "X:shunt"]), [both]);
        assert!(proxy.ack("C").is_empty());
        assert_eq!(proxy.fresh("E", &["a", "b"]), ["E b"]);
        assert_eq!(proxy.ack("E"), ["R shunt"], "routes follow when the endpoints are there");
        assert_eq!(proxy.ack("R"), [gone], "what no route names any more goes");
        assert_eq!(proxy.session.acked_world(), 1);
        let endpoints = proxy.ack("C");
        if variant == Variant::Delta {
            assert_eq!(endpoints, ["E  -a"]);
            proxy.ack("E");
        }
        proxy.fresh("E", &["b"]);
        assert_eq!(proxy.session.acked_world(), 2, "{variant:?}");
    }
}

#[test]
fn a_refused_resource_is_not_sent_again_until_it_changes() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert_eq!(proxy.aim(2, &["C:a=bad", "E:a", "L:shunt", "R:shunt", "X:shunt"]), ["C a"]);
        assert!(proxy.nack("C", "no such thing").is_empty());
        let nack = proxy.session.nack().unwrap();
        assert_eq!((nack.error.as_str(), nack.world, nack.type_url.as_str()), ("no such thing", 2, Kind::Cluster.type_url()));
        assert!(proxy.aim(3, &["C:a=bad", "E:a", "L:shunt", "R:shunt", "X:shunt"]).is_empty());
        assert_eq!(proxy.session.acked_world(), 1, "a world with something refused is not acknowledged");
        assert_eq!(proxy.aim(4, &ONE), ["C a"], "the old content is a change after the bad one");
        proxy.ack("C");
        proxy.ack("E");
        assert_eq!(proxy.session.nack(), None);
        assert_eq!(proxy.session.acked_world(), 4);
    }
}

#[test]
fn the_policy_does_not_wait_for_a_refused_cluster() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        proxy.aim(2, &["C:a", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt=2", "X:shunt"]);
        proxy.nack("C", "bad cluster");
        let heard = proxy.aim(3, &["C:a", "C:b=bad", "E:a", "E:b", "L:shunt", "R:shunt=2", "X:shunt=back"]);
        assert_eq!(heard, ["X shunt"], "a way back must not hang on a bad cluster; routes that name it must");
    }
}

#[test]
fn one_response_at_a_time_and_the_newest_next() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        let world = |policy: &'static str| ["C:a", "E:a", "L:shunt", "R:shunt", policy];
        assert_eq!(proxy.aim(2, &world("X:shunt=2")), ["X shunt"]);
        assert!(proxy.aim(3, &world("X:shunt=3")).is_empty());
        assert!(proxy.aim(4, &world("X:shunt=4")).is_empty(), "the proxy has not answered: nothing queues up");
        assert_eq!(proxy.ack("X"), ["X shunt"]);
        assert_eq!(proxy.session.acked_world(), 1);
        proxy.ack("X");
        assert_eq!(proxy.session.acked_world(), 4);
    }
}

#[test]
fn a_stale_nonce_answers_nothing() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        let stale = proxy.nonces[&Kind::Extension].clone();
        proxy.aim(2, &["C:a", "E:a", "L:shunt", "R:shunt", "X:shunt=2"]);
        assert!(proxy.say(Kind::Extension, stale, None).is_empty());
        assert_eq!(proxy.session.acked_world(), 1);
        proxy.ack("X");
        assert_eq!(proxy.session.acked_world(), 2);
    }
}

#[test]
fn a_restarted_server_sends_nothing_again() {
    let known = snapshot(&ONE);
    let mut proxy = Proxy::new(Variant::Delta);
    proxy.aim(1, &ONE);
    for (kind, letter, names) in [(Kind::Cluster, "C", vec![]), (Kind::Endpoints, "E", vec!["a"]), (Kind::Listener, "L", vec![])] {
        let versions = known.of(kind).map(|resource| (resource.name.clone(), resource.version.clone())).collect();
        assert!(proxy.subscribe(letter, &names, Knows::Each(versions)).is_empty(), "{kind:?}");
    }
    let mut proxy = Proxy::new(Variant::StateOfTheWorld);
    proxy.aim(1, &ONE);
    for (kind, letter, names) in [(Kind::Cluster, "C", vec![]), (Kind::Endpoints, "E", vec!["a"]), (Kind::Listener, "L", vec![])] {
        let version = version_of(known.of(kind).map(|resource| (resource.name.as_str(), resource.version.as_str())));
        assert!(proxy.subscribe(letter, &names, Knows::Whole(version)).is_empty(), "{kind:?}");
    }
}

#[test]
fn a_reconnecting_proxy_loses_what_went_meanwhile() {
    let mut proxy = Proxy::new(Variant::Delta);
    proxy.aim(1, &ONE);
    let mut versions: BTreeMap<String, String> =
        snapshot(&ONE).of(Kind::Cluster).map(|resource| (resource.name.clone(), resource.version.clone())).collect();
    versions.insert("old".to_owned(), "1234".to_owned());
    assert_eq!(proxy.subscribe("C", &[], Knows::Each(versions)), ["C  -old"]);
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
    assert_eq!(proxy.session.acked_world(), 1);
}

#[test]
fn a_changed_cluster_gets_its_endpoints_again() {
    for variant in BOTH {
        let mut proxy = settled(variant);
        assert_eq!(proxy.aim(2, &["C:a=2", "E:a", "L:shunt", "R:shunt", "X:shunt"]), ["C a"]);
        assert_eq!(proxy.ack("C"), ["E a"]);
        proxy.ack("E");
        assert_eq!(proxy.session.acked_world(), 2);
    }
}

#[test]
fn a_proxy_that_wants_only_the_policy() {
    for variant in BOTH {
        let mut proxy = Proxy::new(variant);
        proxy.aim(1, &["X:shunt"]);
        assert_eq!(proxy.fresh("X", &["shunt"]), ["X shunt"]);
        proxy.ack("X");
        assert_eq!(proxy.session.acked_world(), 1);
    }
}

#[test]
fn an_explicit_star_means_all() {
    for variant in BOTH {
        let mut proxy = Proxy::new(variant);
        proxy.aim(1, &["C:a", "C:b"]);
        assert_eq!(proxy.fresh("C", &["*"]), ["C a,b"]);
    }
}
