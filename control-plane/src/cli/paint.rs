//! Colours, only on a terminal.

use std::io::IsTerminal;

use shunt_core::Phase;
use shunt_core::analysis::Outcome;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// ANSI colours.
    Colour,
    /// Plain text.
    Plain,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set and not empty (no-color.org) or the terminal is dumb.
    pub(crate) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if std::io::stdout().is_terminal() && !refused && !dumb { Self::Colour } else { Self::Plain }
    }

    fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour if !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Colour | Self::Plain => text.to_owned(),
        }
    }

    /// For headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what matters less.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// All is well.
    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Something happens.
    pub(crate) fn busy(self, text: &str) -> String {
        self.with("36", text)
    }

    /// The operator should look.
    pub(crate) fn attention(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Something is wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// A phase in its colour.
    pub(crate) fn phase(self, phase: Phase) -> String {
        match phase {
            Phase::Healthy => self.good("Healthy"),
            Phase::Progressing => self.busy("Progressing"),
            Phase::Paused => self.attention("Paused"),
            Phase::Degraded => self.bad("Degraded"),
            Phase::Rejected => self.bad("Rejected"),
        }
    }

    /// An outcome in its colour.
    pub(crate) fn outcome(self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Pass => self.good("pass"),
            Outcome::Fail => self.bad("fail"),
            Outcome::NeedMoreData => self.busy("need more data"),
            Outcome::Inconclusive => self.attention("inconclusive"),
            Outcome::SourceError => self.attention("source error"),
            Outcome::NotApplicable => self.dim("not applicable"),
        }
    }
}

/// Characters that `text` takes on the screen: colour codes take none.
pub(crate) fn width(text: &str) -> usize {
    let mut in_code = false;
    let mut width = 0;
    for c in text.chars() {
        match (in_code, c) {
            (false, '\u{1b}') => in_code = true,
            (false, _) => width += 1,
            (true, 'm') => in_code = false,
            (true, _) => {}
        }
    }
    width
}

/// Text of others, for the terminal: control characters are shown, not obeyed.
pub(crate) fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_has_no_width() {
        let painted = Paint::Colour.bad("Degraded");
        assert_ne!(painted, "Degraded");
        assert_eq!(width(&painted), 8);
        assert_eq!(Paint::Plain.bad("Degraded"), "Degraded");
    }

    #[test]
    fn foreign_text_cannot_draw() {
        assert_eq!(tame("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
