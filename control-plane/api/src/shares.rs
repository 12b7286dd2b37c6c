//! Something of which there is only so much, for all and for each caller: places to work in, bytes of bodies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So much for all, and so much for each caller. Clones share it.
#[derive(Debug, Clone)]
pub struct Shares {
    all: usize,
    each: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_caller: HashMap<String, usize>,
}

impl Shares {
    /// `all` together, `each` for one caller.
    pub fn new(all: usize, each: usize) -> Self {
        Self { all, each, taken: Arc::default() }
    }

    /// This much for this caller, until it is dropped; none: it would be more than there is.
    pub fn take(&self, caller: &str, amount: usize) -> Option<Share> {
        let mut share = Share { of: self.clone(), caller: caller.to_owned(), amount: 0 };
        share.grow(amount).then_some(share)
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Taken> {
        // Every change is plain arithmetic, so a panic elsewhere leaves nothing half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one caller has of it.
#[derive(Debug)]
pub struct Share {
    of: Shares,
    caller: String,
    amount: usize,
}

impl Share {
    /// Takes more. False: there is not so much; what it has stays.
    pub fn grow(&mut self, more: usize) -> bool {
        let mut taken = self.of.books();
        let own = taken.by_caller.get(&self.caller).copied().unwrap_or_default();
        if taken.all.saturating_add(more) > self.of.all || own.saturating_add(more) > self.of.each {
            return false;
        }
        taken.all += more;
        if more > 0 {
            taken.by_caller.insert(self.caller.clone(), own + more);
        }
        self.amount += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.books();
        taken.all = taken.all.saturating_sub(self.amount);
        let left = taken.by_caller.get(&self.caller).map(|own| own.saturating_sub(self.amount));
        match left {
            Some(0) => drop(taken.by_caller.remove(&self.caller)),
            Some(left) => drop(taken.by_caller.insert(self.caller.clone(), left)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_cannot_take_all_and_what_is_dropped_is_there_again() {
        let shares = Shares::new(3, 2);
        let held: Vec<Share> = (0..2).map(|_| shares.take("ann", 1).unwrap()).collect();
        assert!(shares.take("ann", 1).is_none());
        let mut other = shares.take("bob", 1).unwrap();
        assert!(shares.take("eve", 1).is_none(), "there are three");
        assert!(!other.grow(1));
        drop(held);
        assert!(other.grow(1) && !other.grow(1));
        assert!(shares.take("ann", 1).is_some());
        drop(other);
        assert!(shares.books().by_caller.is_empty());
        assert_eq!(shares.books().all, 0);
    }
}
