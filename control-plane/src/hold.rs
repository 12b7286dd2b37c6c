//! Whether anything may be published. A new store beside proxies that run what another one published is no new store but a lost one:
//! what it would publish, the versions that manifests name, would move every user. So it publishes nothing until an operator decides.
//!
//! What a proxy runs, it says when it connects: the versions of its resources end with the name of the store that they came from. Its
//! filter reports a generation besides, which is believed here only while no proxy has anything of this store: anything may report.

use std::collections::{BTreeMap, BTreeSet};

use shunt_api::{Notice, Severity};

use crate::platform::{Audience, Identity, Presence};

/// What `shunt serve` was told about an empty store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmptyState {
    /// It is a lost one when proxies run what another one published.
    Doubted,
    /// It is a new one, whatever proxies run: manifests count.
    Accepted,
}

/// Why nothing is published, or not to all; and what was decided about it.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    identity: Identity,
    empty: EmptyState,
    /// Proxies that run what another store published, with its name, as far as they are connected.
    foreign: BTreeMap<String, String>,
    /// Proxies that report a generation that this store never published: it is new, or a copy that is older than they are.
    ahead: BTreeMap<String, u64>,
    /// Set once a new store saw one of these; ends by a decision only.
    held: bool,
    /// After a recovery: versions whose instances must be ready before anything is published; none: no more.
    lacking: Option<Vec<String>>,
}

/// What the process should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Publish.
    Publish,
    /// Start the instances that answer users, because the lost store knew those that ran; publish nothing yet.
    Prepare,
    /// Publish nothing and start nothing.
    Hold,
}

impl Hold {
    /// Of this store; nothing is seen yet.
    pub(crate) fn new(identity: Identity, empty: EmptyState) -> Self {
        Self { identity, empty, foreign: BTreeMap::new(), ahead: BTreeMap::new(), held: false, lacking: None }
    }

    /// Looks at connections and reports. `ahead`: by node, the highest generation that it reports and that was never published.
    /// True when what is recorded of the store changed: see [`Hold::identity`].
    pub(crate) fn observe(&mut self, nodes: &[Presence], ahead: &BTreeMap<String, u64>) -> bool {
        let before = self.identity.clone();
        let connected = || nodes.iter().filter(|node| node.connected);
        let foreign = connected().filter_map(|node| Some((node.node.clone(), node.foreign.clone()?)));
        self.foreign = foreign.filter(|(_, store)| !self.identity.adopted.contains(store)).collect();
        if self.empty == EmptyState::Accepted {
            self.adopt();
        }
        self.ahead.clone_from(ahead);
        if !self.identity.settled && self.empty == EmptyState::Doubted {
            self.held |= !self.foreign.is_empty() || !self.ahead.is_empty();
        }
        // A proxy has something of this store: from now on a foreign one is that one's concern only.
        self.identity.settled |= !self.held && self.foreign.is_empty() && connected().any(|node| node.routes.sequence() > 0);
        self.identity != before
    }

    /// What is to be recorded.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether anything may be published.
    pub(crate) fn decision(&self) -> Decision {
        match (self.held, &self.lacking) {
            (true, _) => Decision::Hold,
            (false, Some(_)) => Decision::Prepare,
            (false, None) => Decision::Publish,
        }
    }

    /// Who gets what is published.
    pub(crate) fn audience(&self) -> Audience {
        match (self.decision(), self.empty) {
            (Decision::Hold | Decision::Prepare, _) => Audience::Nobody,
            (Decision::Publish, EmptyState::Accepted) => Audience::Everybody,
            (Decision::Publish, EmptyState::Doubted) => Audience::Stores(self.identity.adopted.clone()),
        }
    }

    /// Whether there is anything to recover.
    pub(crate) fn can_recover(&self) -> bool {
        self.held || !self.foreign.is_empty() || !self.ahead.is_empty()
    }

    /// The state was made anew from what proxies run: they are this store's from now on.
    pub(crate) fn recovered(&mut self) {
        self.adopt();
        self.ahead.clear();
        self.held = false;
        self.lacking = Some(Vec::new());
        self.identity.settled = true;
    }

    /// Which versions that answer users have no instance yet, after a recovery.
    pub(crate) fn prepare(&mut self, lacking: Vec<String>) {
        self.lacking = Some(lacking).filter(|lacking| !lacking.is_empty());
    }

    fn adopt(&mut self) {
        self.identity.adopted.extend(std::mem::take(&mut self.foreign).into_values());
    }

    /// What operators should know.
    pub(crate) fn notice(&self) -> Option<Notice> {
        let list = |names: BTreeSet<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let names = list(self.foreign.keys().chain(self.ahead.keys()).collect());
        let generation = self.ahead.values().max().map(|highest| format!(" (generation {highest})")).unwrap_or_default();
        if self.held {
            let who = if names.is_empty() { "proxies that are gone by now".to_owned() } else { names };
            let message = format!(
                "nothing is published, because the store is new and a proxy runs what another store published: {who}{generation}. Rebuild the \
                 state with `shunt recover --envoy-admin HOST:PORT`, or put the lost store back; to begin anew with the versions that \
                 manifests name, start once with --accept-empty-state"
            );
            return Some(Notice { severity: Severity::NotReady, message });
        }
        if let Some(lacking) = self.lacking.as_ref().filter(|lacking| !lacking.is_empty()) {
            let message =
                format!("the state is recovered; nothing is published before these versions have an instance: {}", lacking.join(", "));
            return Some(Notice { severity: Severity::NotReady, message });
        }
        let message = format!(
            "nothing is published to a proxy that runs what another store published: {}. Restart that Envoy if this control plane should \
             configure it from now on",
            list(self.foreign.keys().collect())
        );
        (!self.foreign.is_empty()).then_some(Notice { severity: Severity::Warning, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::RouteEvidence;
    use shunt_spec::Time;
    use test_case::test_case;

    fn identity(settled: bool) -> Identity {
        Identity { name: "new".to_owned(), settled, adopted: BTreeSet::new() }
    }

    /// `+a`: acknowledged something of ours; `?a`: just connected; `!a`: has what the store `old` published.
    fn nodes(text: &str) -> Vec<Presence> {
        let node = |word: &str| Presence {
            node: word[1..].to_owned(),
            connected: true,
            since: Time(1),
            routes: RouteEvidence::Acknowledged(u64::from(word.starts_with('+'))),
            refusal: None,
            foreign: word.starts_with('!').then(|| "old".to_owned()),
        };
        text.split_whitespace().map(node).collect()
    }

    #[test_case(false, &[""], &[], Decision::Publish, false; "a first start without proxies does not wait")]
    #[test_case(false, &["?a", "+a"], &[], Decision::Publish, true; "a first proxy")]
    #[test_case(false, &["!a"], &[], Decision::Hold, false; "a lost store")]
    #[test_case(false, &["!a", ""], &[], Decision::Hold, false; "also when the proxy is gone again")]
    #[test_case(false, &["?b", "?b !a"], &[], Decision::Hold, false; "a new proxy came first and has nothing yet")]
    #[test_case(false, &["+b", "+b !a"], &[], Decision::Publish, true; "a foreign proxy beside one of ours")]
    #[test_case(true, &["!a"], &[], Decision::Publish, true; "a foreign proxy at a settled store")]
    #[test_case(false, &[""], &[("a", 57)], Decision::Hold, false; "a report of a generation that was never published")]
    #[test_case(true, &[""], &[("a", 57)], Decision::Publish, true; "the same at a settled store: anything may report")]
    fn decides(settled: bool, looks: &[&str], ahead: &[(&str, u64)], decision: Decision, settles: bool) {
        let mut hold = Hold::new(identity(settled), EmptyState::Doubted);
        let ahead = ahead.iter().map(|(node, generation)| ((*node).to_owned(), *generation)).collect();
        for look in looks {
            hold.observe(&nodes(look), &ahead);
        }
        assert_eq!((hold.decision(), hold.identity().settled), (decision, settles));
        assert_eq!(hold.audience() == Audience::Nobody, decision == Decision::Hold);
    }

    #[test]
    fn a_foreign_proxy_at_a_settled_store_is_left_alone_and_said() {
        let mut hold = Hold::new(identity(true), EmptyState::Doubted);
        hold.observe(&nodes("+b !a"), &BTreeMap::new());
        assert_eq!(hold.audience(), Audience::Stores(BTreeSet::new()));
        let notice = hold.notice().unwrap();
        assert_eq!((notice.severity, notice.message.contains("published: a.")), (Severity::Warning, true), "{}", notice.message);
    }

    #[test]
    fn an_accepted_empty_store_takes_foreign_proxies_over_for_good() {
        let mut hold = Hold::new(identity(false), EmptyState::Accepted);
        assert!(hold.observe(&nodes("!a"), &BTreeMap::new()), "to be recorded");
        assert_eq!((hold.decision(), hold.audience(), hold.notice()), (Decision::Publish, Audience::Everybody, None));
        let mut later = Hold::new(hold.identity().clone(), EmptyState::Doubted);
        later.observe(&nodes("!a"), &BTreeMap::new());
        assert_eq!(later.decision(), Decision::Publish);
    }

    #[test]
    fn a_hold_ends_by_recovery() {
        let mut hold = Hold::new(identity(false), EmptyState::Doubted);
        hold.observe(&nodes("!a"), &BTreeMap::from([("a".to_owned(), 57)]));
        let notice = hold.notice().unwrap();
        assert!(notice.message.contains("published: a (generation 57)."), "{}", notice.message);
        assert!(hold.can_recover());
        hold.recovered();
        hold.observe(&nodes("!a"), &BTreeMap::new());
        assert_eq!((hold.decision(), hold.audience()), (Decision::Prepare, Audience::Nobody));
        hold.prepare(vec!["shop/checkout v1".to_owned()]);
        assert!(hold.notice().unwrap().message.ends_with("have an instance: shop/checkout v1"));
        hold.prepare(Vec::new());
        assert_eq!((hold.decision(), hold.can_recover(), hold.notice()), (Decision::Publish, false, None));
        assert_eq!(hold.audience(), Audience::Stores(BTreeSet::from(["old".to_owned()])));
    }
}
