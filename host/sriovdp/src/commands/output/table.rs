//! Tables with headings.

use clap::builder::styling::Style;
use sriovdp_report::Escaped;

use super::Output;
use crate::style::HEADING;

/// Between columns, as `kubectl` has it.
const GAP: &str = "   ";
/// A cell without a value.
const EMPTY: &str = "-";

/// A table. Its columns are as wide as their longest cell.
#[derive(Debug)]
pub(in crate::commands) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// A text in a table.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// The text of a node or provider, or nothing.
    pub(in crate::commands) fn new(text: impl Into<Option<String>>) -> Self {
        Self::styled(text, Style::new())
    }

    /// The same in a colour.
    pub(in crate::commands) fn styled(text: impl Into<Option<String>>, style: Style) -> Self {
        let text = text.into().filter(|text| !text.is_empty());
        let text = text.map_or_else(|| EMPTY.to_owned(), |text| Escaped(&text).to_string());
        Self { text, style }
    }
}

impl Table {
    /// Without rows.
    pub(in crate::commands) fn new(headings: &[&str]) -> Self {
        let heading = |text: &&str| Cell::styled((*text).to_owned(), HEADING);
        Self {
            rows: vec![headings.iter().map(heading).collect()],
        }
    }

    pub(in crate::commands) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }
}

impl Output {
    /// A table that has rows.
    pub(in crate::commands) fn table(&mut self, table: &Table) {
        if table.is_empty() {
            return;
        }
        let width = |column: usize| {
            let cells = table.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..table.rows[0].len()).map(width).collect();
        for row in &table.rows {
            for (n, (Cell { text, style }, width)) in row.iter().zip(&widths).enumerate() {
                self.raw(&format!("{style}{text}{style:#}"));
                // No line ends with spaces.
                if n + 1 < row.len() {
                    let missing = width - text.chars().count();
                    self.raw(&" ".repeat(missing));
                    self.raw(GAP);
                }
            }
            self.raw("\n");
        }
    }
}
