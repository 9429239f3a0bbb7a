//! One page without scripts, without anything from elsewhere.

use std::fmt::Write as _;

use crate::{Block, Document, SignatureLine, Table, text::plain};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#111}\
table{border-collapse:collapse;width:100%;margin:.5rem 0}\
th,td{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{background:#f0f0f0}caption{text-align:left}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}\
.signature{border:2px solid #333;padding:.5rem 1rem;margin:1rem 0}footer{margin-top:2rem;color:#555}";

/// The document as a page.
pub fn html(document: &Document) -> String {
    let mut page = String::new();
    let title = escaped(&document.title);
    // Nothing may be loaded and nothing may run, whatever somebody wrote.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n"
    );
    fields(&mut page, document.about.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    for section in &document.sections {
        let _ = writeln!(page, "<section>\n<h2>{}</h2>", escaped(&section.heading));
        for block in &section.blocks {
            match block {
                Block::Text(text) => {
                    let _ = writeln!(page, "<p>{}</p>", escaped(text));
                }
                Block::Fields(values) => {
                    fields(&mut page, values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                }
                Block::Table(table) => write_table(&mut page, table),
                Block::Signature(line) => signature(&mut page, line),
            }
        }
        page.push_str("</section>\n");
    }
    let _ = write!(page, "<footer>{}</footer>\n</body>\n</html>\n", escaped(&document.foot));
    page
}

fn fields<'a>(page: &mut String, values: impl Iterator<Item = (&'a str, &'a str)>) {
    page.push_str("<dl>\n");
    for (name, value) in values.filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
    }
    page.push_str("</dl>\n");
}

fn write_table(page: &mut String, table: &Table) {
    page.push_str("<table>\n<thead><tr>");
    for column in &table.columns {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escaped(column));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escaped(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}

fn signature(page: &mut String, line: &SignatureLine) {
    page.push_str("<div class=\"signature\">\n");
    fields(page, line.fields().into_iter());
    page.push_str("</div>\n");
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_is_no_markup() {
        let mut document = Document { title: "<script>alert(1)</script>".to_owned(), ..Document::default() };
        document.push("x\" onload=\"y", vec![Block::Text("a & b <img src=x>".to_owned())]);
        let page = html(&document);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("a &amp; b &lt;img src=x&gt;"), "{page}");
    }
}
