//! A picture that fits on a terminal: lines broken between words, and no more of them than there is room for.

use super::paint::width;

/// Columns and lines of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Columns.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
}

/// What a terminal has that does not say it.
const USUAL: Size = Size { width: 80, height: 24 };
/// Narrower than this nothing can be read; wider lines are then cut by the terminal.
const NARROWEST: usize = 20;

impl Size {
    /// Of the terminal at standard output.
    pub(crate) fn of_stdout() -> Self {
        terminal_size::terminal_size().map_or(USUAL, |(width, height)| Size { width: width.0.into(), height: height.0.into() })
    }
}

/// At most `size.height` lines of at most `size.width` columns. What has no room is counted in the last line.
pub(crate) fn frame(lines: &[String], size: Size) -> Vec<String> {
    let all: Vec<String> = lines.iter().flat_map(|line| wrap(line, size.width.max(NARROWEST))).collect();
    if all.len() <= size.height {
        return all;
    }
    let shown = size.height.saturating_sub(1);
    let more = all.len() - shown;
    let last = format!("… {more} more {}", if more == 1 { "line" } else { "lines" });
    all.into_iter().take(shown).chain([last]).collect()
}

/// Broken between words; what follows is indented as deep as the text of the line. A word that is longer than a line is cut.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    if width(line) <= columns {
        return vec![line.to_owned()];
    }
    let indent = indent(line, columns);
    let (mut lines, mut colour) = (Vec::new(), String::new());
    let (mut current, mut used) = (String::new(), 0);
    for word in pieces(line) {
        let blank = word.trim().is_empty();
        if used + width(word) > columns && used > indent.len() {
            lines.push(closed(&current, &colour));
            current = format!("{indent}{colour}");
            used = indent.len();
            if blank {
                continue;
            }
        }
        current.push_str(&cut(word, columns.saturating_sub(used)));
        used = (used + width(word)).min(columns);
        track(word, &mut colour);
    }
    lines.push(current.trim_end().to_owned());
    lines
}

/// Words and the spaces between them, in order; nothing is lost.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c: char| (c == ' ') != (first == ' ')).unwrap_or(rest.len());
        let (piece, left) = rest.split_at(end);
        rest = left;
        Some(piece)
    })
}

/// Two deeper than where the text of a line begins, so that the rest is seen to belong to it.
fn indent(line: &str, columns: usize) -> String {
    let branch = line.chars().take_while(|c| matches!(c, ' ' | '│' | '├' | '└' | '─')).count();
    let deep = branch + 2;
    if deep * 2 > columns { String::new() } else { " ".repeat(deep) }
}

/// The colour code that is on after this text.
fn track(text: &str, colour: &mut String) {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('\u{1b}') {
        let end = after.find('m').map_or(after.len(), |end| end + 1);
        let (code, left) = after.split_at(end);
        *colour = if code == "[0m" { String::new() } else { format!("\u{1b}{code}") };
        rest = left;
    }
}

fn closed(line: &str, colour: &str) -> String {
    let end = if colour.is_empty() { "" } else { "\u{1b}[0m" };
    format!("{}{end}", line.trim_end())
}

/// The first characters of a word, colour codes not counted.
fn cut(word: &str, columns: usize) -> String {
    let (mut seen, mut in_code) = (0, false);
    let keep = |c: &char| {
        let code = in_code || *c == '\u{1b}';
        match (code, *c) {
            (true, 'm') => in_code = false,
            (true, _) => in_code = true,
            (false, _) => seen += 1,
        }
        code || seen <= columns
    };
    word.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::paint::Paint;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_break_between_words_below_their_branch() {
        let text = lines(&["├─ errors  needs 52 more requests of v2 and 31 of v1"]);
        assert_eq!(frame(&text, Size { width: 30, height: 9 }), ["├─ errors  needs 52 more", "     requests of v2 and 31 of", "     v1"]);
    }

    #[test]
    fn colours_end_with_the_line_and_go_on_with_the_next() {
        let text = [Paint::Colour.bad("one two three four five six seven")];
        let shown = frame(&text, Size { width: 20, height: 9 });
        assert_eq!(shown, ["\u{1b}[31mone two three four\u{1b}[0m", "  \u{1b}[31mfive six seven\u{1b}[0m"]);
        assert!(shown.iter().all(|line| width(line) <= 20));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let text = lines(&["a", "b", "c", "d"]);
        assert_eq!(frame(&text, Size { width: 80, height: 3 }), ["a", "b", "… 2 more lines"]);
        assert_eq!(frame(&text, Size { width: 80, height: 4 }), text);
    }

    #[test]
    fn a_word_longer_than_a_line_is_cut() {
        let text = lines(&["x 0123456789012345678901234567890 y"]);
        assert!(frame(&text, Size { width: 20, height: 9 }).iter().all(|line| width(line) <= 20));
    }
}
