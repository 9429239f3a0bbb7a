//! Papers for people: one [`Document`], written as HTML, PDF and CSV that say the same.
//!
//! Values in, bytes out: no clock, no files, no network. The same document gives the same bytes, so that a digest of them means
//! something.
//!
//! **Invariant:** what somebody wrote is text wherever it lands: never markup, never a formula, never another line than its own.

mod csv;
mod html;
mod pdf;
mod text;

pub use csv::csv;
pub use html::html;
pub use pdf::{PdfError, pdf};

/// What is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// What it is called.
    pub title: String,
    /// What it is about, by name, above everything else.
    pub about: Vec<(String, String)>,
    /// Its parts, in order.
    pub sections: Vec<Section>,
    /// What stands at the foot of each page beside its number: by what one knows which paper a page is from.
    pub foot: String,
}

/// A part of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// What it is called.
    pub heading: String,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// One thing that a section says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Values by name.
    Fields(Vec<(String, String)>),
    /// Rows under headings; every row has as many cells as there are headings.
    Table(Table),
    /// An electronic signature.
    Signature(SignatureLine),
}

/// Rows under headings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The headings.
    pub columns: Vec<String>,
    /// The cells, row by row.
    pub rows: Vec<Vec<String>>,
}

/// What 21 CFR 11.50 wants in every form that people read: the printed name, when it was signed, and what was meant by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureLine {
    /// The signer's printed name, as of signing.
    pub name: String,
    /// What they are there, and where.
    pub title: String,
    /// Date and time of signing, with the zone.
    pub signed_at: String,
    /// The meaning, in a word.
    pub meaning: String,
    /// The sentence that they were shown.
    pub sentence: String,
    /// Why, in their words.
    pub reason: String,
    /// What it was given to, and its digest.
    pub record: String,
    /// The signature's id.
    pub id: String,
    /// Whether it still counts, and what binds it.
    pub standing: String,
}

impl SignatureLine {
    /// What the line says, by name, the three that the law asks for first.
    pub fn fields(&self) -> [(&'static str, &str); 9] {
        [
            ("Signed by", &self.name),
            ("Date and time", &self.signed_at),
            ("Meaning", &self.meaning),
            ("Statement", &self.sentence),
            ("Title", &self.title),
            ("Reason", &self.reason),
            ("Record", &self.record),
            ("Signature", &self.id),
            ("Standing", &self.standing),
        ]
    }
}

impl Document {
    /// Adds a section, unless it would be empty.
    pub fn push(&mut self, heading: &str, blocks: Vec<Block>) {
        if !blocks.is_empty() {
            self.sections.push(Section { heading: heading.to_owned(), blocks });
        }
    }
}

impl Table {
    /// A table of these headings, without rows.
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows: Vec::new() }
    }
}
