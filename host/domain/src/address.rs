//! Text in addresses (RFC 3986).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as it stands in an address, wherever it is put there: only what is unreserved stays as it is.
pub fn in_address(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// What stands in an address as a text. What is no escape stays as it is, and what is no UTF-8 is replaced.
pub fn from_address(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_unreserved_stays_as_it_is() {
        assert_eq!(in_address("aZ09-._~ /?&=%+:é"), "aZ09-._~%20%2F%3F%26%3D%25%2B%3A%C3%A9");
        assert_eq!(from_address("%zz%2"), "%zz%2");
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(text in ".*") {
            prop_assert_eq!(from_address(&in_address(&text)), text);
        }
    }
}
