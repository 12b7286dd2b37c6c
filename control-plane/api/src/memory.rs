//! How much memory reports may take: those that wait to be taken and what is kept of those that were, by node and in all.
//!
//! A node beyond its budget is refused, not the others; and nodes that nothing but their reports speaks for share a small part, so that
//! made-up ones cannot use up what is meant for proxies.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shunt_spec::{Span, Time};
use thiserror::Error;

use crate::app::Sender;

const MIB: usize = 1024 * 1024;

/// A refusal is shown for so long.
const SHOWN: Span = Span::seconds(60);

/// Most nodes whose refusals are shown.
const SHOWN_MAX: usize = 1_000;

/// Budgets, bytes.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// Of one node.
    pub node: usize,
    /// Of all nodes.
    pub all: usize,
    /// Of those among them that show no certificate and are not expected.
    pub strangers: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { node: 256 * MIB, all: 1_024 * MIB, strangers: 128 * MIB }
    }
}

/// Why there is no room for a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Crowded {
    /// This node has its share.
    #[error("what this node reports takes more than {} MiB of memory", .0 / MIB)]
    Node(usize),
    /// All nodes together have theirs.
    #[error("what all nodes report takes more than {} MiB of memory", .0 / MIB)]
    All(usize),
    /// The unknown ones have theirs.
    #[error("what nodes without a certificate or an xDS connection report takes more than {} MiB of memory", .0 / MIB)]
    Strangers(usize),
}

/// The books. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    budgets: Budgets,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    kept: HashMap<String, usize>,
    waiting: HashMap<String, usize>,
    known: HashSet<String>,
    refused: BTreeMap<String, (String, Time)>,
}

impl Books {
    fn of(&self, node: &str) -> usize {
        let part = |of: &HashMap<String, usize>| of.get(node).copied().unwrap_or_default();
        part(&self.kept).saturating_add(part(&self.waiting))
    }

    fn all(&self) -> usize {
        self.kept.values().chain(self.waiting.values()).fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    fn strangers(&self) -> usize {
        let parts = self.kept.iter().chain(&self.waiting).filter(|(node, _)| !self.known.contains(*node));
        parts.fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

impl Memory {
    /// With these budgets.
    pub fn new(budgets: Budgets) -> Self {
        Self { budgets, books: Arc::default() }
    }

    /// Room for a report of this node until it is dropped.
    pub(crate) fn take(&self, node: &str, sender: Sender, bytes: usize) -> Result<Room, Crowded> {
        let Budgets { node: one, all, strangers } = self.budgets;
        let mut books = self.books();
        let known = sender == Sender::Certified || books.known.contains(node);
        if books.of(node).saturating_add(bytes) > one {
            return Err(Crowded::Node(one));
        }
        if !known && books.strangers().saturating_add(bytes) > strangers {
            return Err(Crowded::Strangers(strangers));
        }
        if books.all().saturating_add(bytes) > all {
            return Err(Crowded::All(all));
        }
        let waiting = books.waiting.entry(node.to_owned()).or_default();
        *waiting = waiting.saturating_add(bytes);
        Ok(Room { of: self.clone(), node: node.to_owned(), bytes })
    }

    /// What the process keeps of all nodes now, and which of them are more than a name.
    pub fn keep(&self, kept: impl IntoIterator<Item = (String, usize)>, known: impl IntoIterator<Item = String>) {
        let mut books = self.books();
        (books.kept, books.known) = (kept.into_iter().collect(), known.into_iter().collect());
    }

    /// What it keeps of this node now.
    pub fn keep_of(&self, node: &str, bytes: usize) {
        self.books().kept.insert(node.to_owned(), bytes);
    }

    /// A report of this node was refused, for people.
    pub(crate) fn refuse(&self, node: &str, why: &str, now: Time) {
        let mut books = self.books();
        if books.refused.len() >= SHOWN_MAX && !books.refused.contains_key(node) {
            books.refused.retain(|_, (_, at)| now.since(*at) < SHOWN);
        }
        if books.refused.len() < SHOWN_MAX || books.refused.contains_key(node) {
            let before = books.refused.insert(node.to_owned(), (why.to_owned(), now));
            if before.is_none_or(|(_, at)| now.since(at) >= SHOWN) {
                tracing::warn!(node, "its reports are refused: {why}");
            }
        }
    }

    /// Why reports were refused in the last minute, by node.
    pub fn refused(&self, now: Time) -> BTreeMap<String, String> {
        let books = self.books();
        let fresh = books.refused.iter().filter(|(_, (_, at))| now.since(*at) < SHOWN);
        fresh.map(|(node, (why, _))| (node.clone(), why.clone())).collect()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Every change is a plain assignment, so a panic elsewhere leaves nothing half done.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room of a report that waits to be taken.
#[derive(Debug, Default)]
pub struct Room {
    of: Memory,
    node: String,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut books = self.of.books();
        match books.waiting.get(&self.node).map(|waiting| waiting.saturating_sub(self.bytes)) {
            Some(0) => drop(books.waiting.remove(&self.node)),
            Some(left) => drop(books.waiting.insert(self.node.clone(), left)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::new(Budgets { node: 100, all: 250, strangers: 120 })
    }

    #[test]
    fn a_node_has_its_share_and_others_have_theirs() {
        let memory = memory();
        memory.keep([("a".to_owned(), 60)], ["a".to_owned()]);
        let held = memory.take("a", Sender::Uncertified, 40).unwrap();
        assert_eq!(memory.take("a", Sender::Certified, 1).unwrap_err(), Crowded::Node(100));
        assert!(memory.take("b", Sender::Certified, 100).is_ok(), "given back at once");
        drop(held);
        assert!(memory.take("a", Sender::Uncertified, 40).is_ok());
        memory.keep_of("a", 10);
        assert!(memory.take("a", Sender::Uncertified, 90).is_ok());
    }

    #[test]
    fn made_up_nodes_cannot_use_up_what_proxies_need() {
        let memory = memory();
        let made_up: Vec<Room> = (0..12).map(|n| memory.take(&format!("n{n}"), Sender::Uncertified, 10).unwrap()).collect();
        assert_eq!(memory.take("n12", Sender::Uncertified, 10).unwrap_err(), Crowded::Strangers(120));
        memory.keep([], ["edge".to_owned()]);
        let edge = memory.take("edge", Sender::Uncertified, 100).unwrap();
        assert_eq!(memory.take("far", Sender::Certified, 100).unwrap_err(), Crowded::All(250));
        drop((made_up, edge));
        assert_eq!(memory.books().all(), 0);
    }

    #[test]
    fn refusals_are_shown_for_a_minute() {
        let memory = memory();
        memory.refuse("a", "too much", Time(1_000));
        assert_eq!(memory.refused(Time(60_000)), BTreeMap::from([("a".to_owned(), "too much".to_owned())]));
        assert!(memory.refused(Time(61_000)).is_empty());
        (0..2 * SHOWN_MAX).for_each(|node| memory.refuse(&node.to_string(), "x", Time(1)));
        assert!(memory.books().refused.len() <= SHOWN_MAX);
    }
}
