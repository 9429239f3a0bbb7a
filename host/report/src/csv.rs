//! Comma-separated values (RFC 4180) whose cells no spreadsheet takes for a formula.

use crate::Table;

/// The table. A cell that a spreadsheet would execute begins with an apostrophe, as OWASP advises; programs read the exact values in
/// the JSON beside it.
pub fn csv(table: &Table) -> String {
    let mut text = String::new();
    line(&mut text, &table.columns);
    for row in &table.rows {
        line(&mut text, row);
    }
    text
}

fn line(text: &mut String, cells: &[String]) {
    for (at, value) in cells.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&cell(value));
    }
    text.push_str("\r\n");
}

/// Always in quotes: what a cell holds is then nobody's separator, in whatever country the spreadsheet was sold.
fn cell(value: &str) -> String {
    let risky = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    // Spreadsheets look past blanks and quotes before they decide.
    let first = value.trim_start_matches([' ', '\u{a0}', '"', '\'']).chars().next();
    let safe = if first.is_some_and(risky) || value.starts_with(risky) { "'" } else { "" };
    format!("\"{safe}{}\"", value.replace('"', "\"\"").replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            " =1",
            "\"=1",
            "'=1",
            "＝1",
            "=HYPERLINK(\"http://x\")",
        ] {
            assert!(cell(formula).starts_with("\"'"), "{formula:?}: {}", cell(formula));
        }
        for plain in ["Ana", "1.0", "sha256:ab", "a=b", ""] {
            assert_eq!(cell(plain), format!("\"{plain}\""));
        }
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_in_their_cell() {
        let mut table = Table::new(&["name", "reason"]);
        table.rows.push(vec!["a \"b\", c".to_owned(), "one\ntwo".to_owned()]);
        assert_eq!(csv(&table), "\"name\",\"reason\"\r\n\"a \"\"b\"\", c\",\"one\ntwo\"\r\n");
    }
}
