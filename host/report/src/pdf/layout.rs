//! Where on which page everything goes.

use super::font::Font;
use crate::{Block, Document, SignatureLine, Table, text::plain};

/// A4, in points.
pub(super) const WIDTH: f32 = 595.0;
/// A4, in points.
pub(super) const HEIGHT: f32 = 842.0;
/// What stays white on every side.
pub(super) const MARGIN: f32 = 44.0;

const BODY: f32 = 8.0;
const LEADING: f32 = 1.35;
/// Where the values of named fields begin.
const VALUES: f32 = 120.0;
const PAD: f32 = 3.0;

/// One page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) marks: Vec<Mark>,
}

/// What is on a page.
#[derive(Debug)]
pub(super) enum Mark {
    /// A line of text.
    Text { x: f32, y: f32, size: f32, bold: bool, text: String },
    /// A stroke.
    Line { from: (f32, f32), to: (f32, f32) },
}

/// All pages of a document, at least one.
pub(super) fn pages(document: &Document, font: &mut Font) -> Vec<Page> {
    let mut press = Press { font, pages: vec![Page::default()], y: HEIGHT - MARGIN };
    press.paragraph(&document.title, 16.0, true);
    press.gap(6.0);
    press.fields(document.about.iter().map(|(name, value)| (name.as_str(), value.as_str())), MARGIN);
    for section in &document.sections {
        press.gap(10.0);
        // A heading stays with what it is the heading of.
        press.need(60.0);
        press.paragraph(&section.heading, 12.0, true);
        press.gap(3.0);
        for block in &section.blocks {
            match block {
                Block::Text(text) => press.paragraph(text, BODY, false),
                Block::Fields(values) => {
                    press.fields(values.iter().map(|(name, value)| (name.as_str(), value.as_str())), MARGIN);
                }
                Block::Table(table) => press.table(table),
                Block::Signature(line) => press.signature(line),
            }
            press.gap(5.0);
        }
    }
    press.pages
}

struct Press<'a> {
    font: &'a mut Font,
    pages: Vec<Page>,
    y: f32,
}

impl Press<'_> {
    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.marks.push(mark);
        }
    }

    fn gap(&mut self, height: f32) {
        self.y -= height;
    }

    /// Goes on on a new page when there is less room than this.
    fn need(&mut self, height: f32) -> bool {
        if self.y - height >= MARGIN {
            return false;
        }
        self.pages.push(Page::default());
        self.y = HEIGHT - MARGIN;
        true
    }

    fn line(&mut self, x: f32, size: f32, bold: bool, text: String) {
        self.need(size * LEADING);
        self.y -= size * LEADING;
        let y = self.y;
        self.mark(Mark::Text { x, y, size, bold, text });
    }

    fn paragraph(&mut self, text: &str, size: f32, bold: bool) {
        for line in self.wrapped(text, size, WIDTH - 2.0 * MARGIN) {
            self.line(MARGIN, size, bold, line);
        }
    }

    fn fields<'b>(&mut self, values: impl Iterator<Item = (&'b str, &'b str)>, left: f32) {
        for (name, value) in values.filter(|(_, value)| !value.is_empty()) {
            let lines = self.wrapped(value, BODY, WIDTH - MARGIN - left - VALUES);
            for (at, line) in lines.into_iter().enumerate() {
                self.line(left + VALUES, BODY, false, line);
                if at == 0 {
                    let (y, name) = (self.y, self.font.shown(&plain(name)));
                    self.mark(Mark::Text { x: left, y, size: BODY, bold: true, text: name });
                }
            }
        }
    }

    /// In a box, on one page: what was signed, by whom, when and what for are never torn apart.
    fn signature(&mut self, line: &SignatureLine) {
        let (left, right) = (MARGIN + 6.0, WIDTH - MARGIN);
        let width = WIDTH - MARGIN - left - VALUES;
        let fields = line.fields();
        let lines: usize = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(_, value)| self.wrapped(value, BODY, width).len())
            .sum();
        let height = f32::from(u16::try_from(lines).unwrap_or(u16::MAX)) * BODY * LEADING + 10.0;
        self.need(height.min(HEIGHT - 2.0 * MARGIN));
        let (page, top) = (self.pages.len(), self.y);
        self.fields(fields.into_iter(), left);
        self.gap(6.0);
        if page == self.pages.len() {
            let bottom = self.y;
            for (from, to) in [
                ((MARGIN, top), (right, top)),
                ((right, top), (right, bottom)),
                ((right, bottom), (MARGIN, bottom)),
                ((MARGIN, bottom), (MARGIN, top)),
            ] {
                self.mark(Mark::Line { from, to });
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let widths = self.widths(table);
        self.row(&table.columns, &widths, true);
        for row in &table.rows {
            let height = self.height(row, &widths);
            if self.need(height) {
                self.row(&table.columns, &widths, true);
            }
            self.row(row, &widths, false);
        }
    }

    fn height(&self, cells: &[String], widths: &[f32]) -> f32 {
        let lines =
            cells.iter().zip(widths).map(|(cell, width)| self.wrapped(cell, BODY, width - PAD).len()).max();
        f32::from(u16::try_from(lines.unwrap_or(1)).unwrap_or(u16::MAX)) * BODY * LEADING + PAD
    }

    fn row(&mut self, cells: &[String], widths: &[f32], bold: bool) {
        let columns: Vec<Vec<String>> =
            cells.iter().zip(widths).map(|(cell, width)| self.wrapped(cell, BODY, width - PAD)).collect();
        let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..lines {
            self.need(BODY * LEADING);
            self.y -= BODY * LEADING;
            let (mut x, y) = (MARGIN, self.y);
            for (column, width) in columns.iter().zip(widths) {
                if let Some(text) = column.get(at) {
                    self.mark(Mark::Text { x, y, size: BODY, bold, text: text.clone() });
                }
                x += width;
            }
        }
        self.gap(PAD);
        let y = self.y;
        self.mark(Mark::Line { from: (MARGIN, y), to: (WIDTH - MARGIN, y) });
    }

    /// Each column as wide as its longest cell, as far as there is room; what is left goes by what they want.
    fn widths(&self, table: &Table) -> Vec<f32> {
        let room = WIDTH - 2.0 * MARGIN;
        let wanted: Vec<f32> = (0..table.columns.len())
            .map(|at| {
                let cells = table.rows.iter().filter_map(|row| row.get(at)).chain(table.columns.get(at));
                let widest = cells.map(|cell| self.font.width(cell) * BODY).fold(20.0, f32::max);
                widest.min(room / 2.0) + 2.0 * PAD
            })
            .collect();
        let sum: f32 = wanted.iter().sum();
        let share = if sum > 0.0 { room / sum } else { 1.0 };
        wanted.into_iter().map(|width| width * share).collect()
    }

    /// The lines of a text that are no wider than this. A word that is too long is cut where it must be.
    fn wrapped(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let text = self.font.shown(&plain(text));
        let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
        for word in text.split_inclusive(' ') {
            let wide = self.font.width(word.trim_end()) * size;
            if used + wide > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if wide <= width {
                line.push_str(word);
                used += self.font.width(word) * size;
                continue;
            }
            for c in word.chars() {
                let wide = self.font.width(c.encode_utf8(&mut [0; 4])) * size;
                if used + wide > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(c);
                used += wide;
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }
}
