//! The font: how wide a text is, which glyphs it takes, and only those in the file.

use std::collections::BTreeMap;

use pdf_writer::{
    Name, Pdf, Rect, Ref, Str,
    types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap},
};
use subsetter::GlyphRemapper;
use ttf_parser::Face;

use super::PdfError;
use crate::text::number;

/// DejaVu Sans 2.37: Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic and more, free to embed (see `fonts/LICENSE`).
const DATA: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
const NAME: &[u8] = b"INTLCK+DejaVuSans";
const SYSTEM: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The font, and which of its glyphs were used.
pub(super) struct Font {
    face: Face<'static>,
    used: GlyphRemapper,
    means: BTreeMap<u16, char>,
}

impl Font {
    pub(super) fn read() -> Result<Self, PdfError> {
        let face = Face::parse(DATA, 0).map_err(|error| PdfError::Font { reason: error.to_string() })?;
        Ok(Self { face, used: GlyphRemapper::new(), means: BTreeMap::new() })
    }

    /// The text as this font can show it.
    pub(super) fn shown(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match self.face.glyph_index(c) {
                Some(_) => shown.push(c),
                None => shown.push_str(&number(c)),
            }
        }
        shown
    }

    /// How wide a text is at one point.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().map(|c| self.advance(c)).sum()
    }

    fn advance(&self, c: char) -> f32 {
        let units = self.face.glyph_index(c).and_then(|glyph| self.face.glyph_hor_advance(glyph));
        f32::from(units.unwrap_or_default()) / f32::from(self.face.units_per_em())
    }

    /// The text as two bytes a glyph.
    pub(super) fn glyphs(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() * 2);
        for c in text.chars() {
            let Some(glyph) = self.face.glyph_index(c) else { continue };
            let id = self.used.remap(glyph.0);
            // Two characters may look the same; a reader then gets the first, which looks so, too.
            self.means.entry(id).or_insert(c);
            bytes.extend(id.to_be_bytes());
        }
        bytes
    }

    /// Puts what was used into the file.
    pub(super) fn write(&self, pdf: &mut Pdf, ids: [Ref; 5]) -> Result<(), PdfError> {
        let [type0, cid, descriptor, file, cmap] = ids;
        let subset = subsetter::subset(DATA, 0, &self.used)
            .map_err(|error| PdfError::Font { reason: error.to_string() })?;
        pdf.type0_font(type0)
            .base_font(Name(NAME))
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(cmap);
        let scale = 1_000.0 / f32::from(self.face.units_per_em());
        let widths = self.used.remapped_gids().map(|glyph| {
            let units = self.face.glyph_hor_advance(ttf_parser::GlyphId(glyph)).unwrap_or_default();
            f32::from(units) * scale
        });
        let mut font = pdf.cid_font(cid);
        font.subtype(CidFontType::Type2)
            .base_font(Name(NAME))
            .system_info(SYSTEM)
            .font_descriptor(descriptor)
            .cid_to_gid_map_predefined(Name(b"Identity"));
        font.widths().consecutive(0, widths);
        drop(font);
        let bounds = self.face.global_bounding_box();
        let [left, bottom, right, top] =
            [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max].map(|units| f32::from(units) * scale);
        let ascent = f32::from(self.face.ascender()) * scale;
        pdf.font_descriptor(descriptor)
            .name(Name(NAME))
            .flags(FontFlags::NON_SYMBOLIC)
            .bbox(Rect::new(left, bottom, right, top))
            .italic_angle(0.0)
            .ascent(ascent)
            .descent(f32::from(self.face.descender()) * scale)
            .cap_height(f32::from(self.face.capital_height().unwrap_or_default()) * scale)
            .stem_v(80.0)
            .font_file2(file);
        let length = i32::try_from(subset.len()).unwrap_or(i32::MAX);
        pdf.stream(file, &subset).pair(Name(b"Length1"), length);
        let mut unicode = UnicodeCmap::new(Name(b"Interlock"), SYSTEM);
        for (glyph, c) in &self.means {
            unicode.pair(*glyph, *c);
        }
        pdf.cmap(cmap, unicode.finish().as_slice());
        Ok(())
    }
}
