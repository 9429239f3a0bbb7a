//! PDF 1.7 on A4, with one font of its own, so that it reads the same everywhere and its text can be searched and copied.

mod font;
mod layout;

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr, types::TextRenderingMode};

use self::{
    font::Font,
    layout::{HEIGHT, Mark, Page, WIDTH},
};
use crate::Document;

/// Why a document cannot be written as PDF.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PdfError {
    /// The font that comes along cannot be read.
    #[error("the report's font cannot be used: {reason}")]
    Font {
        /// What is wrong with it.
        reason: String,
    },
    /// More pages than there are numbers for.
    #[error("the report has {pages} pages, which is too many for one file: export less at once")]
    TooLong {
        /// How many.
        pages: usize,
    },
}

/// Most pages of one file.
const PAGES_MAX: usize = 100_000;
const FONT: Name<'static> = Name(b"F");

/// The document as PDF. A character that the font lacks stands as its number, `<U+5C71>`; the HTML has it as it is.
///
/// # Errors
/// When the font cannot be read, or the document is too long for one file.
pub fn pdf(document: &Document) -> Result<Vec<u8>, PdfError> {
    let mut font = Font::read()?;
    let pages = layout::pages(document, &mut font);
    if pages.len() > PAGES_MAX {
        return Err(PdfError::TooLong { pages: pages.len() });
    }
    let mut next = 0;
    let mut id = || {
        next += 1;
        Ref::new(next)
    };
    let (catalog, tree, info) = (id(), id(), id());
    let [type0, cid, descriptor, file, cmap] = std::array::from_fn(|_| id());
    let kids: Vec<(Ref, Ref)> = pages.iter().map(|_| (id(), id())).collect();

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
    pdf.document_info(info).title(TextStr(&document.title)).producer(TextStr("Interlock"));
    let count = i32::try_from(kids.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(kids.iter().map(|(page, _)| *page)).count(count);
    for (number, (page, (page_id, content_id))) in pages.iter().zip(&kids).enumerate() {
        let mut written = pdf.page(*page_id);
        written.parent(tree).media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).contents(*content_id);
        written.resources().fonts().pair(FONT, type0);
        written.finish();
        let foot = format!("{}   page {} of {}", document.foot, number + 1, pages.len());
        let content = drawn(page, &foot, &mut font);
        pdf.stream(*content_id, &content);
    }
    font.write(&mut pdf, [type0, cid, descriptor, file, cmap])?;
    Ok(pdf.finish())
}

fn drawn(page: &Page, foot: &str, font: &mut Font) -> Vec<u8> {
    let mut content = Content::new();
    content.set_line_width(0.4);
    for mark in &page.marks {
        match mark {
            Mark::Text { x, y, size, bold, text } => write(&mut content, (*x, *y), *size, *bold, text, font),
            Mark::Line { from, to } => {
                content.move_to(from.0, from.1).line_to(to.0, to.1).stroke();
            }
        }
    }
    write(&mut content, (layout::MARGIN, layout::MARGIN / 2.0), 7.0, false, foot, font);
    content.finish().as_slice().to_vec()
}

fn write(content: &mut Content, at: (f32, f32), size: f32, bold: bool, text: &str, font: &mut Font) {
    let glyphs = font.glyphs(text);
    // Bold is the same letters with a line around them: one font less in every file.
    let mode = if bold { TextRenderingMode::FillStroke } else { TextRenderingMode::Fill };
    content
        .begin_text()
        .set_font(FONT, size)
        .set_text_rendering_mode(mode)
        .next_line(at.0, at.1)
        .show(Str(&glyphs))
        .end_text();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_document_gives_the_same_bytes() {
        let mut document = Document { title: "Zoë".to_owned(), ..Document::default() };
        document.push("One", vec![crate::Block::Text("word ".repeat(3_000))]);
        let one = pdf(&document).unwrap();
        assert!(one.starts_with(b"%PDF-1.7"));
        assert_eq!(one, pdf(&document).unwrap());
    }
}
