//! Which of many requests are due: those that are not cost nothing to look at.

use std::collections::BTreeMap;

/// Requests by the time at which they are due, nanoseconds since 1970, and their context's id.
#[derive(Debug)]
pub struct Deadlines<T> {
    by_time: BTreeMap<(u64, u32), T>,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Self { by_time: BTreeMap::new() }
    }
}

impl<T> Deadlines<T> {
    /// Adds one.
    pub fn insert(&mut self, due: u64, context: u32, request: T) {
        self.by_time.insert((due, context), request);
    }

    /// Removes one; `due` is what it was added with.
    pub fn remove(&mut self, due: u64, context: u32) {
        self.by_time.remove(&(due, context));
    }

    /// Takes the one that is due for longest; none: nothing is due.
    pub fn pop(&mut self, now: u64) -> Option<(u32, T)> {
        let first = self.by_time.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, context), request) = first.remove_entry();
        Some((context, request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(deadlines: &mut Deadlines<()>, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| deadlines.pop(now)).map(|(context, ())| context).collect()
    }

    #[test]
    fn only_what_is_due_is_taken_and_once() {
        let mut deadlines = Deadlines::default();
        for (at, context) in [(30, 3), (10, 1), (20, 2), (20, 4)] {
            deadlines.insert(at, context, ());
        }
        deadlines.remove(20, 2);
        deadlines.remove(99, 1);
        assert_eq!(due(&mut deadlines, 9), Vec::<u32>::new());
        assert_eq!(due(&mut deadlines, 29), [1, 4]);
        assert_eq!(due(&mut deadlines, 29), Vec::<u32>::new());
        assert_eq!(due(&mut deadlines, 30), [3]);
    }
}
