//! Tables for people to read.

use std::fmt::{Display, Formatter, Result};

/// Rows of the same width, the first of which names the columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn of(columns: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(columns.iter().map(ToString::to_string));
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let widths = self.widths();
        for (number, row) in self.rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                let line: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                writeln!(f, "|{}|", line.join("|"))?;
            }
        }
        Ok(())
    }
}
