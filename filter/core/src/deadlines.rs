//! Which of many requests are due: those that are not cost nothing to look at.

use std::collections::BTreeSet;

/// Requests by the time at which they are due, nanoseconds since 1970, and their context's id.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(u64, u32)>,
}

impl Deadlines {
    /// Adds one.
    pub fn insert(&mut self, due: u64, context: u32) {
        self.by_time.insert((due, context));
    }

    /// Removes one; `due` is what it was added with.
    pub fn remove(&mut self, due: u64, context: u32) {
        self.by_time.remove(&(due, context));
    }

    /// Takes the one that is due for longest; none: nothing is due.
    pub fn pop(&mut self, now: u64) -> Option<u32> {
        let first = self.by_time.first().copied().filter(|(due, _)| *due <= now)?;
        self.by_time.remove(&first);
        Some(first.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(deadlines: &mut Deadlines, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| deadlines.pop(now)).collect()
    }

    #[test]
    fn only_what_is_due_is_taken_and_once() {
        let mut deadlines = Deadlines::default();
        for (at, context) in [(30, 3), (10, 1), (20, 2), (20, 4)] {
            deadlines.insert(at, context);
        }
        deadlines.remove(20, 2);
        deadlines.remove(99, 1);
        assert_eq!(due(&mut deadlines, 9), Vec::<u32>::new());
        assert_eq!(due(&mut deadlines, 29), [1, 4]);
        assert_eq!(due(&mut deadlines, 29), Vec::<u32>::new());
        assert_eq!(due(&mut deadlines, 30), [3]);
    }
}
