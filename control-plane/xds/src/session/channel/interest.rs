//! What a proxy wants of a kind: names, or all.

use super::super::Interest;
use super::Channel;

/// The name that means all.
const ALL: &str = "*";

/// A version that nothing has: what is there must be sent again, what is not must be said to be gone.
const STALE: &str = "?";

impl Channel {
    /// Takes over what a request asks for. `stale`: it answers something older than the response in flight.
    pub(super) fn interest(&mut self, interest: &Interest, stale: bool) {
        match interest {
            Interest::Exactly(_) if stale => {}
            Interest::Exactly(names) => self.exactly(names),
            Interest::Change { more, fewer } => {
                self.more(more);
                self.fewer(fewer);
            }
        }
    }

    fn exactly(&mut self, names: &[String]) {
        // No names mean all, until the stream has named any ("legacy wildcard").
        let legacy = names.is_empty() && self.kind.whole() && (!self.begun || self.wildcard);
        self.wildcard = legacy || names.iter().any(|name| name == ALL);
        self.names = names.iter().filter(|name| *name != ALL).cloned().collect();
        let (wildcard, names) = (self.wildcard, &self.names);
        // What it no longer asks for it drops; asked for again, it needs it again.
        self.sent.retain(|name, _| wildcard || names.contains(name));
        self.rejected.retain(|name, _| wildcard || names.contains(name));
        self.held.retain(|name, _| wildcard || names.contains(name));
    }

    fn more(&mut self, names: &[String]) {
        if !self.begun && names.is_empty() && self.kind.whole() {
            self.wildcard = true;
        }
        for name in names {
            if name == ALL {
                self.wildcard = true;
            } else {
                self.names.insert(name.clone());
                // Asked for again: it must be sent again, even if it was sent before.
                self.sent.remove(name);
            }
        }
    }

    fn fewer(&mut self, names: &[String]) {
        if names.iter().any(|name| name == ALL) {
            self.wildcard = false;
            let named = &self.names;
            self.sent.retain(|name, _| named.contains(name));
            self.rejected.retain(|name, _| named.contains(name));
        }
        for name in names.iter().filter(|name| *name != ALL) {
            let named = self.names.remove(name);
            match (self.wildcard, named) {
                // It may have dropped what it still gets with all the others.
                (true, true) => drop(self.sent.insert(name.clone(), STALE.to_owned())),
                (true, false) => {}
                (false, _) => {
                    self.sent.remove(name);
                    self.rejected.remove(name);
                }
            }
        }
    }
}
