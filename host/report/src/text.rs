//! Characters that would make a reader see something else than what stands there.

/// The text with every character that breaks a line, turns the order of those around it, or shows nothing, as its number.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' | '\r' => plain.push(' '),
            c if disorders(c) => plain.push_str(&number(c)),
            c => plain.push(c),
        }
    }
    plain
}

/// A character by its number: `<U+202E>`.
pub(crate) fn number(c: char) -> String {
    format!("<U+{:04X}>", u32::from(c))
}

fn disorders(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_or_hides_text_is_shown_by_its_number() {
        assert_eq!(plain("a\u{202e}b\nc\u{0}"), "a<U+202E>b c<U+0000>");
        assert_eq!(plain("Zoë Đặng 山田"), "Zoë Đặng 山田");
    }
}
