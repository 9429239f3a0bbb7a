//! Textual encoding of keys: RFC 7468, strict in what it reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::signature::TrustError;
use crate::signing::SigningError;

/// The label of a SubjectPublicKeyInfo.
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";
/// The label of an unencrypted PKCS#8 private key.
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";

const LINE_CHARS: usize = 64;

/// One `-----BEGIN …-----` block.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Why a text is not PEM.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PemError {
    #[error("it holds no `-----BEGIN …-----` block")]
    Empty,
    #[error("the block `{label}` has no matching `-----END {label}-----` line")]
    Open { label: String },
    #[error("the block `{label}` is not base64")]
    Base64 { label: String },
}

/// All blocks of a text. What stands outside of them is a comment, as in RFC 7468.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block>, PemError> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, "BEGIN") else { continue };
        let label = label.to_owned();
        let mut body = Zeroizing::new(String::new());
        loop {
            match lines.next() {
                Some(line) if boundary(line, "END") == Some(&label) => break,
                Some(line) if !line.starts_with("-----") => body.push_str(line),
                _ => return Err(PemError::Open { label }),
            }
        }
        let der = STANDARD.decode(body.as_bytes()).map_err(|_| PemError::Base64 { label: label.clone() })?;
        found.push(Block { label, der: Zeroizing::new(der) });
    }
    if found.is_empty() { Err(PemError::Empty) } else { Ok(found) }
}

/// The DER of each public key in a text; `name` is what errors call it.
pub(crate) fn public_keys(name: &str, text: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, TrustError> {
    let found = blocks(text)
        .map_err(|reason| TrustError::Pem { name: name.to_owned(), reason: reason.to_string() })?;
    let der = |block: Block| match block.label.as_str() {
        PUBLIC_KEY => Ok(block.der),
        label if label.ends_with(PRIVATE_KEY) => Err(TrustError::Private { name: name.to_owned() }),
        _ => Err(TrustError::Label { name: name.to_owned(), label: block.label }),
    };
    found.into_iter().map(der).collect()
}

/// The DER of the one private key in a text.
pub(crate) fn private_key(text: &str) -> Result<Zeroizing<Vec<u8>>, SigningError> {
    let blocks = blocks(text).map_err(|reason| SigningError::Pem { reason: reason.to_string() })?;
    let labels: Vec<_> = blocks.iter().map(|block| block.label.clone()).collect();
    match <[Block; 1]>::try_from(blocks) {
        Ok([block]) if block.label == PRIVATE_KEY => Ok(block.der),
        _ => Err(SigningError::Label { found: labels.join(", ") }),
    }
}

/// One block as text.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / LINE_CHARS + 80));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for start in (0..body.len()).step_by(LINE_CHARS) {
        // Base64 is ASCII, so every index is a character border.
        text.push_str(&body[start..body.len().min(start + LINE_CHARS)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn boundary<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?.strip_prefix(kind)?.strip_prefix(' ')?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_block_reads_back_what_it_wrote(der in prop::collection::vec(any::<u8>(), 0..300)) {
            let text = encode(PUBLIC_KEY, &der);
            let read = blocks(&text).unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].label, PUBLIC_KEY);
            prop_assert_eq!(&*read[0].der, &der);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(-----BEGIN X-----\n|-----END X-----\n|[ -~]{0,9}\n){0,6}") {
            let _ = blocks(&text);
        }
    }

    #[test]
    fn each_fault_has_its_own_reason() {
        let reason = |text| blocks(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(reason("hello"), "it holds no `-----BEGIN …-----` block");
        assert_eq!(
            reason("-----BEGIN A-----\nAAAA\n"),
            "the block `A` has no matching `-----END A-----` line"
        );
        assert_eq!(reason("-----BEGIN A-----\n-----END B-----"), reason("-----BEGIN A-----"));
        assert_eq!(reason("-----BEGIN A-----\n??\n-----END A-----"), "the block `A` is not base64");
    }
}
