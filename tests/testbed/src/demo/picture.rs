//! What the demo shows: lines that stay, and one that lives.

use std::fmt::Display;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::release::Look;

/// The live line is drawn only on a terminal; the others always.
pub(super) struct Picture {
    bar: ProgressBar,
}

impl Default for Picture {
    fn default() -> Self {
        let target = if std::io::stdout().is_terminal() { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(100), target);
        // The template is ours, so it parses; without it the bar is only plainer.
        if let Ok(style) = ProgressStyle::with_template("  {prefix} {bar:40.cyan/white.dim} {msg}") {
            bar.set_style(style.progress_chars("━━━"));
        }
        Self { bar }
    }
}

impl Picture {
    /// Begins a part.
    pub(super) fn title(&self, text: impl Display) {
        let line = "─".repeat(100_usize.saturating_sub(text.to_string().chars().count()));
        self.say(format!("\n── {text} {line}"));
    }

    /// A line that stays.
    pub(super) fn say(&self, text: impl Display) {
        self.bar.suspend(|| println!("{text}"));
    }

    /// The rollout at this moment.
    pub(super) fn show(&self, look: &Look) {
        let Some(candidate) = &look.candidate else {
            self.clear();
            return;
        };
        self.bar.set_prefix(format!("{} {:>5.1} %", candidate, look.weight));
        self.bar.set_position(look.weight.round() as u64);
        self.bar.set_message(format!("{:>5.1} % {}  {}", 100.0 - look.weight, look.stable, look.message));
    }

    /// Takes the live line away.
    pub(super) fn clear(&self) {
        self.bar.set_message("");
        self.bar.reset();
    }
}
