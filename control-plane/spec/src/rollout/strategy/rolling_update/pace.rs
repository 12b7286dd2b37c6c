//! Which instances start and stop in which order.

use super::OrderSpec;

/// How fast a version may be replaced, in instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Of each version at full size; at least 1.
    pub(super) full: u32,
    /// Above the full size, both versions together.
    pub(super) surge: u32,
    /// Missing of the full size; at least 1 where `surge` is 0.
    pub(super) unavailable: u32,
    /// Which comes first.
    pub(super) order: OrderSpec,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// The candidate has so many now, all ready before anything else happens.
    Candidate(u32),
    /// Stable has so many left.
    Stable(u32),
}

impl Pace {
    /// All changes, from none of the candidate to all of it. Stable keeps one instance until the promotion, because the default route names it till
    /// then; so with `surge` 0 the last instance of the candidate is one above the full size.
    pub(super) fn moves(self) -> Vec<Move> {
        let (mut new, mut old) = (0, self.full);
        let mut moves = Vec::new();
        if self.order == OrderSpec::StopFirst {
            self.stop(new, &mut old, &mut moves);
        }
        while new < self.full {
            let room = self.full.saturating_add(self.surge).saturating_sub(old).min(self.full);
            new = if room > new { room } else { self.full };
            moves.push(Move::Candidate(new));
            if new < self.full {
                self.stop(new, &mut old, &mut moves);
            }
        }
        moves
    }

    /// As many old instances go as may be missing.
    fn stop(self, new: u32, old: &mut u32, moves: &mut Vec<Move>) {
        let least = self.full.saturating_sub(self.unavailable).saturating_sub(new).max(1);
        if least < *old {
            *old = least;
            moves.push(Move::Stable(least));
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn text(moves: &[Move]) -> String {
        let words = moves.iter().map(|step| match step {
            Move::Candidate(n) => format!("+{n}"),
            Move::Stable(n) => format!("-{n}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test_case(4, 1, 1, OrderSpec::StartFirst, "+1 -2 +3 -1 +4"; "quarters")]
    #[test_case(4, 1, 0, OrderSpec::StartFirst, "+1 -3 +2 -2 +3 -1 +4"; "one by one, nothing missing")]
    #[test_case(4, 0, 1, OrderSpec::StopFirst, "-3 +1 -2 +2 -1 +3 +4"; "one by one, stop first")]
    #[test_case(4, 0, 2, OrderSpec::StopFirst, "-2 +2 -1 +3 +4"; "halves, stop first")]
    #[test_case(1, 1, 0, OrderSpec::StartFirst, "+1"; "one instance")]
    #[test_case(1, 0, 1, OrderSpec::StopFirst, "+1"; "one instance, stop first")]
    #[test_case(3, 3, 0, OrderSpec::StartFirst, "+3"; "all at once")]
    fn paces(full: u32, surge: u32, unavailable: u32, order: OrderSpec, expected: &str) {
        assert_eq!(text(&Pace { full, surge, unavailable, order }.moves()), expected);
    }

    /// Every pace of up to 50 instances, step by step.
    #[test]
    fn never_too_many_and_never_too_few() {
        for full in 1..=50 {
            for (surge, unavailable) in (0..=full).flat_map(|surge| (0..=full).map(move |missing| (surge, missing))) {
                for order in [OrderSpec::StartFirst, OrderSpec::StopFirst] {
                    let possible = if order == OrderSpec::StopFirst { unavailable > 0 } else { surge > 0 };
                    if possible {
                        walk(Pace { full, surge, unavailable, order });
                    }
                }
            }
        }
    }

    fn walk(pace: Pace) {
        let (mut new, mut old) = (0, pace.full);
        for step in pace.moves() {
            match step {
                Move::Candidate(n) => {
                    assert!(n > new && n <= pace.full, "{pace:?}");
                    new = n;
                }
                Move::Stable(n) => {
                    assert!(n < old && n >= 1, "{pace:?}");
                    old = n;
                }
            }
            // With no room above, the last one is one too many for as long as the promotion takes.
            let last = u32::from(pace.surge == 0 && new == pace.full);
            assert!(new + old <= pace.full + pace.surge + last, "{pace:?}: {new} + {old}");
            assert!(new + old >= pace.full - pace.unavailable.min(pace.full), "{pace:?}: {new} + {old}");
        }
        assert_eq!(new, pace.full, "{pace:?}");
    }
}
