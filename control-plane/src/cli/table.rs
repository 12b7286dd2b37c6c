//! Columns.

use super::paint::{Paint, width};

/// Rows of cells under a heading; columns as wide as their widest cell, two spaces between.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    /// With this heading; columns in `right` (counted from 0) are flush right.
    pub(crate) fn new(paint: Paint, heading: &[&str], right: &[usize]) -> Self {
        Self { rows: vec![heading.iter().map(|text| paint.bold(text)).collect()], right: right.to_vec() }
    }

    /// Without a heading.
    pub(crate) fn bare(right: &[usize]) -> Self {
        Self { rows: Vec::new(), right: right.to_vec() }
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, without spaces at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
            .collect();
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, full))| {
            let pad = " ".repeat(full - width(cell).min(*full));
            if self.right.contains(&column) { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// Lines as leaves of a tree.
pub(crate) fn branches(lines: &[String]) -> Vec<String> {
    let last = lines.len().saturating_sub(1);
    lines.iter().enumerate().map(|(at, line)| format!("{} {line}", if at == last { "└─" } else { "├─" })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_with_colours() {
        let mut table = Table::new(Paint::Colour, &["NAME", "N"], &[1]);
        table.row([Paint::Colour.good("a"), "10".to_owned()]);
        table.row(["long-name".to_owned(), "7".to_owned()]);
        let plain: Vec<String> =
            table.lines().iter().map(|line| line.replace("\u{1b}[1m", "").replace("\u{1b}[32m", "").replace("\u{1b}[0m", "")).collect();
        assert_eq!(plain, ["NAME        N", "a          10", "long-name   7"]);
    }

    #[test]
    fn the_last_leaf_closes_the_tree() {
        assert_eq!(branches(&["a".to_owned(), "b".to_owned()]), ["├─ a", "└─ b"]);
        assert!(branches(&[]).is_empty());
    }
}
