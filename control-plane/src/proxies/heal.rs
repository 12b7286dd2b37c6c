//! When to push for no other reason than to replace a dead VM (design §2): at once, then less and less often while it does not help.

use shunt_spec::{Span, Time};

/// A push shows its effect well within this time.
const FIRST: Span = Span::seconds(30);

/// Longest time between two pushes.
const LONGEST: Span = Span::seconds(600);

/// Remembers what was tried.
#[derive(Debug, Default)]
pub(super) struct Healer {
    last: Option<(Time, Span)>,
}

impl Healer {
    /// Whether to push now.
    pub(super) fn due(&mut self, with_dead_vms: &[String], now: Time) -> bool {
        if with_dead_vms.is_empty() {
            // A VM that keeps dying must not reset the pause each time it is replaced.
            self.last = self.last.filter(|(at, wait)| now.since(*at) < Span(wait.0.saturating_mul(2)));
            return false;
        }
        let wait = match self.last {
            None => FIRST,
            Some((at, wait)) if now < at.after(wait) => return false,
            Some((_, wait)) => Span(wait.0.saturating_mul(2)).min(LONGEST),
        };
        self.last = Some((now, wait));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushes(healer: &mut Healer, with_dead_vms: bool, from: u64, to: u64) -> Vec<u64> {
        let with_dead_vms = if with_dead_vms { vec!["edge".to_owned()] } else { Vec::new() };
        (from..to).filter(|second| healer.due(&with_dead_vms, Time(second * 1_000))).collect()
    }

    #[test]
    fn at_once_and_then_ever_more_rarely() {
        assert_eq!(pushes(&mut Healer::default(), true, 0, 2_200), [0, 30, 90, 210, 450, 930, 1_530, 2_130]);
    }

    #[test]
    fn healed_is_healed() {
        let mut healer = Healer::default();
        assert_eq!(pushes(&mut healer, true, 0, 10), [0]);
        assert!(pushes(&mut healer, false, 10, 100).is_empty());
        assert_eq!(pushes(&mut healer, true, 100, 110), [100]);
    }

    #[test]
    fn one_that_keeps_dying_is_not_pushed_each_time() {
        let mut healer = Healer::default();
        let pushes: Vec<u64> = (0..300)
            .filter(|second| healer.due(if second % 20 < 15 { &[] } else { std::slice::from_ref(&EDGE) }, Time(second * 1_000)))
            .collect();
        assert_eq!(pushes, [15, 55, 115, 235]);
    }

    static EDGE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "edge".to_owned());
}
