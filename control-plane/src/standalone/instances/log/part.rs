//! A part of a log: its last lines, or what came after a place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Whole lines, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Whole lines.
    pub(crate) text: String,
    /// What stands after the last line end.
    pub(crate) unfinished: String,
    /// Where it begins, bytes.
    pub(crate) next: u64,
    /// Whether whole lines may follow that did not fit.
    pub(crate) more: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// So many lines before the end.
    Tail(usize),
    /// After so many bytes; from the beginning when the log began anew meanwhile.
    After(u64),
}

/// At most `room` bytes of a log.
pub(crate) fn part(path: &Path, from: From, room: u64) -> io::Result<Part> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = match from {
        From::Tail(_) => length.saturating_sub(room),
        From::After(place) if place > length => 0,
        From::After(place) => place,
    };
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(room).read_to_end(&mut bytes)?;
    let full = bytes.len() as u64 == room;
    let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => at + 1,
        // One line longer than there is room: in pieces.
        None if full => bytes.len(),
        None => 0,
    };
    let (lines, rest) = bytes.split_at(end);
    let next = start + end as u64;
    let lines = match from {
        From::Tail(count) => last(lines, count, start > 0),
        From::After(_) => lines,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Part { text: text(lines), unfinished: text(rest), next, more: full && matches!(from, From::After(_)) })
}

/// The last lines; the first of a cut beginning is no whole line.
fn last(lines: &[u8], count: usize, cut: bool) -> &[u8] {
    let ends: Vec<usize> = lines.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let whole = if cut { ends.len().saturating_sub(1) } else { ends.len() };
    let skipped = ends.len().saturating_sub(count.min(whole));
    match skipped.checked_sub(1) {
        Some(before) => lines.get(ends.get(before).copied().unwrap_or_default()..).unwrap_or_default(),
        None => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn read(text: &str, from: From, room: u64) -> (String, String, u64, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.log");
        std::fs::write(&path, text).unwrap();
        let Part { text, unfinished, next, more } = part(&path, from, room).unwrap();
        (text, unfinished, next, more)
    }

    #[test_case("a\nb\nc\n", From::Tail(2), "b\nc\n", "", 6, false; "the last two")]
    #[test_case("a\nb\nc", From::Tail(9), "a\nb\n", "c", 4, false; "a line that is being written")]
    #[test_case("a\nb\n", From::Tail(0), "", "", 4, false; "none, only what comes")]
    #[test_case("a\nb\nc\n", From::After(2), "b\nc\n", "", 6, false; "what came since")]
    #[test_case("a\nb\nc\n", From::After(6), "", "", 6, false; "nothing came")]
    #[test_case("a\n", From::After(99), "a\n", "", 2, false; "it began anew")]
    #[test_case("", From::Tail(5), "", "", 0, false; "nothing at all")]
    fn parts(text: &str, from: From, lines: &str, unfinished: &str, next: u64, more: bool) {
        assert_eq!(read(text, from, 1_000), (lines.to_owned(), unfinished.to_owned(), next, more));
    }

    #[test]
    fn there_is_never_more_than_room() {
        assert_eq!(read("aaaa\nbbbb\ncccc\n", From::Tail(9), 12), ("bbbb\ncccc\n".to_owned(), String::new(), 15, false), "no half line");
        assert_eq!(read("aaaa\nbbbb\ncccc\n", From::After(0), 12), ("aaaa\nbbbb\n".to_owned(), "cc".to_owned(), 10, true));
        assert_eq!(read("aaaaaaaa\n", From::After(0), 4), ("aaaa".to_owned(), String::new(), 4, true), "a long line in pieces");
    }
}
