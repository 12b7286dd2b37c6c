//! Protocol scripts: what a proxy says, what it hears. No server, no Envoy.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;

use super::*;

mod interest;
mod order;
mod reconnect;
mod refusal;

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

    fn set_target(&mut self, sequence: u64, resources: &[&str]) -> Vec<String> {
        let pushes = self.session.set_target(sequence, Arc::new(snapshot(resources)));
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

/// A proxy that has `ONE`, all acknowledged as sequence 1.
fn settled(variant: Variant) -> Proxy {
    let mut proxy = Proxy::new(variant);
    assert!(proxy.set_target(1, &ONE).is_empty(), "the proxy has not asked yet");
    assert_eq!(proxy.fresh("C", &[]), ["C a"]);
    assert!(proxy.fresh("L", &[]).is_empty(), "listeners wait until clusters are acknowledged");
    assert!(proxy.ack("C").is_empty(), "and until endpoints are asked for");
    assert_eq!(proxy.fresh("E", &["a"]), ["E a"]);
    assert_eq!(proxy.ack("E"), ["L shunt"]);
    assert!(proxy.ack("L").is_empty());
    assert_eq!(proxy.fresh("R", &["shunt"]), ["R shunt"]);
    assert!(proxy.fresh("X", &["shunt"]).is_empty(), "the policy waits while routes are on their way");
    assert_eq!(proxy.session.acked_sequence(), 0);
    assert_eq!(proxy.ack("R"), ["X shunt"]);
    assert_eq!(proxy.session.acked_sequence(), 0, "the policy is not acknowledged yet");
    assert!(proxy.ack("X").is_empty());
    assert_eq!(proxy.session.acked_sequence(), 1);
    proxy
}
