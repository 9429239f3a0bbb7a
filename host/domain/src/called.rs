//! What a person or a program is called: by it somebody logs in, and others read who approved.
//!
//! **Invariant:** two names that people cannot tell apart by more than their letters are one name, and no name holds what people do
//! not see.

use unicode_normalization::UnicodeNormalization as _;

use crate::IdError;

/// Longest name, in bytes.
const BYTES_MAX: usize = 200;

/// What a name may be.
const EXPECTED: &str = "a name of 1 to 200 bytes without control characters, invisible characters, characters that turn the order of \
                        others, and spaces but single ordinary ones";

/// The one form of a name (NFC, without spaces around it), or why it is none.
pub fn called(text: &str) -> Result<String, IdError> {
    let name: String = text.trim_matches(' ').nfc().collect();
    let odd = name.chars().any(|c| is_unseen(c) || (c.is_whitespace() && c != ' '));
    if name.is_empty() || name.len() > BYTES_MAX || odd || name.contains("  ") {
        return Err(IdError {
            text: text.chars().filter(|c| !is_unseen(*c)).take(80).collect(),
            expected: EXPECTED,
        });
    }
    Ok(name)
}

/// The form by which a name is looked for that may have been given before names had one.
pub fn called_as_before(text: &str) -> String {
    called(text).unwrap_or_else(|_| text.trim().to_owned())
}

/// Whether people see nothing of a character, or another order of those around it: control and format characters, fillers,
/// variation selectors, tags, what is no character, and what everybody shows otherwise (private use).
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ways_to_write_one_name_are_one_name() {
        let composed = called("Jos\u{e9} Concei\u{e7}\u{e3}o").unwrap();
        assert_eq!(called(" Jose\u{301} Conceic\u{327}a\u{303}o ").unwrap(), composed);
        // The sign for angstrom is the letter.
        assert_eq!(called("\u{212b}sa").unwrap(), "\u{c5}sa");
        for name in ["Ana Sousa", "日本 太郎", "שלום כהן", "O'Neill-Ørsted"] {
            assert_eq!(called(name).unwrap(), name);
        }
    }

    #[test]
    fn what_people_do_not_see_is_in_no_name() {
        for odd in "\u{0}\n\t\u{7f}\u{85}\u{ad}\u{200b}\u{200d}\u{202e}\u{2066}\u{2060}\u{feff}\u{fe0f}\u{3164}\u{e0041}\u{a0}\u{3000}\u{2028}\u{e000}".chars() {
            let refused = called(&format!("Ana{odd}Sousa")).unwrap_err();
            assert!(refused.to_string().contains("invisible"), "{odd:?}");
        }
        for odd in ["", "   ", "Ana  Sousa"] {
            assert!(called(odd).is_err(), "{odd:?}");
        }
        assert!(called(&"x".repeat(200)).is_ok() && called(&"x".repeat(201)).is_err());
    }
}
