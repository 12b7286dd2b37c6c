//! Where a command writes to, and how.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use jiff::tz::TimeZone;
use serde::Serialize;
use shunt_spec::Time;

use super::frame::Size;
use super::paint::Paint;

/// `-o`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// The API's own JSON.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Where a command writes to, and how.
pub(crate) struct Console<'w> {
    /// Standard output.
    pub(crate) out: &'w mut dyn Write,
    /// `-o`
    pub(crate) format: Format,
    /// Whether to colour.
    pub(crate) paint: Paint,
    /// Whether it is a terminal: `watch` redraws then.
    pub(crate) live: bool,
    /// Its size, as it is now.
    pub(crate) size: fn() -> Size,
    /// For points in time.
    pub(crate) zone: TimeZone,
    /// What time it is.
    pub(crate) clock: fn() -> Time,
}

/// What time it is.
pub(crate) fn clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Console<'_> {
    /// What time it is.
    pub(crate) fn now(&self) -> Time {
        (self.clock)()
    }

    /// Whether pictures replace each other.
    pub(crate) fn is_redrawn(&self) -> bool {
        self.live && self.format == Format::Text
    }

    /// One line, or several.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())
    }

    /// As `-o` asks; `text` is called for people only.
    pub(crate) fn show<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&Self) -> Vec<String>) -> anyhow::Result<()> {
        match self.format {
            Format::Text => {
                let lines = text(self);
                lines.iter().try_for_each(|line| self.line(line))?;
            }
            Format::Json => self.line(&serde_json::to_string_pretty(value)?)?,
            Format::Yaml => self.line(&serde_saphyr::to_string(value)?)?,
        }
        Ok(())
    }

    /// One value of several over time: JSON on one line, YAML as a document of its own.
    pub(crate) fn show_next<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&Self) -> Vec<String>) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.show(value, text)?,
            Format::Json => self.line(&serde_json::to_string(value)?)?,
            Format::Yaml => {
                self.line("---")?;
                self.show(value, text)?;
            }
        }
        Ok(self.out.flush()?)
    }
}
