//! Signed notes of C2SP: a text, a blank line, and one line for each signature over the text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::keys::{KeyError, KeyId, KeyKind, Keyring, SigningKey};

/// How many signatures a note may carry; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 100;

/// The largest note in bytes: room for a hundred post-quantum signatures of five kilobytes.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note breaks the format.
    #[error("not a signed note: {reason}")]
    Malformed {
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A trusted key's signature does not fit the text: the text or the signature was altered.
    #[error("the signature by `{signer}` does not fit the note: it or the note was altered")]
    BadSignature {
        /// The key's name.
        signer: String,
    },
    /// None of the signatures is by a trusted key.
    #[error("no trusted key has signed the note (signed by: {signers}): get the key from its owner")]
    NotSigned {
        /// The names on the signature lines.
        signers: String,
    },
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A signature line, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: KeyId,
    bytes: Vec<u8>,
}

/// A text with signatures. What it says counts for nothing until [`SignedNote::verify`] has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<Signature>,
}

/// Somebody who demonstrably signed a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key's name.
    pub name: String,
    /// What the signature says.
    pub kind: KeyKind,
    /// Of a cosignature, when it was made: seconds since 1970.
    pub unix_secs: Option<u64>,
}

impl SignedNote {
    /// A note without signatures yet.
    ///
    /// # Errors
    /// When the text does not end in a newline or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_characters(&text)?;
        if text.len() > NOTE_BYTES_MAX {
            return Err(malformed("it is longer than a megabyte"));
        }
        match text.ends_with('\n') {
            true => Ok(Self { text, signatures: Vec::new() }),
            false => Err(malformed("the text must end with a newline")),
        }
    }

    /// Reads a note. This checks its form only.
    ///
    /// # Errors
    /// When the bytes break the format or a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(malformed("it is longer than a megabyte"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        check_characters(whole)?;
        // The text may hold blank lines: the last one divides.
        let divide = whole.rfind("\n\n").ok_or(malformed("a blank line must divide text and signatures"))?;
        let (text, lines) = (&whole[..=divide], &whole[divide + 2..]);
        let lines =
            lines.strip_suffix('\n').ok_or(malformed("it must end with a signature line and a newline"))?;
        let signatures = lines.split('\n').map(parse_signature).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(malformed("it has more than a hundred signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, whoever may have written it.
    #[must_use]
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// Adds a signature of kind [`KeyKind::Note`].
    pub fn sign(&mut self, key: &SigningKey) {
        let public = key.verifying_key();
        let bytes = key.sign(self.text.as_bytes()).to_vec();
        self.add(Signature { name: public.name().to_owned(), id: public.id(), bytes });
    }

    /// Adds a witness's cosignature, dated `unix_secs`. The witness must have checked consistency before.
    ///
    /// # Errors
    /// When the key cannot cosign.
    pub fn cosign(&mut self, key: &SigningKey, unix_secs: u64) -> Result<(), NoteError> {
        let public = key.cosigning_key()?;
        let mut bytes = unix_secs.to_be_bytes().to_vec();
        bytes.extend_from_slice(&key.sign(cosigned(unix_secs, &self.text).as_bytes()));
        self.add(Signature { name: public.name().to_owned(), id: public.id(), bytes });
        Ok(())
    }

    /// Takes over the signatures of another copy of the same note, as a witness's answer brings them.
    ///
    /// # Errors
    /// When the texts differ.
    pub fn merge(&mut self, other: Self) -> Result<(), NoteError> {
        if other.text != self.text {
            return Err(malformed("the signatures belong to another text"));
        }
        other.signatures.into_iter().for_each(|signature| self.add(signature));
        Ok(())
    }

    /// The note with only the signatures of trusted keys.
    ///
    /// # Errors
    /// When no trusted key has signed, or the signature of one does not fit.
    pub fn only_by(&self, keys: &Keyring) -> Result<Self, NoteError> {
        self.verify(keys)?;
        let mut only = self.clone();
        only.signatures.retain(|signature| keys.find(&signature.name, signature.id).is_some());
        Ok(only)
    }

    /// The signature lines alone, as a witness answers them.
    #[must_use]
    pub fn signature_lines(&self) -> String {
        self.signatures.iter().map(Signature::to_string).collect()
    }

    fn add(&mut self, signature: Signature) {
        self.signatures.retain(|s| (&s.name, s.id) != (&signature.name, signature.id));
        self.signatures.push(signature);
    }

    /// Checks the signatures by trusted keys and tells who signed, each once. Those by unknown keys are ignored.
    ///
    /// # Errors
    /// When no trusted key has signed, or the signature of a trusted key does not fit.
    pub fn verify(&self, keys: &Keyring) -> Result<Vec<Signer>, NoteError> {
        let mut signers: Vec<(Signer, KeyId)> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = keys.find(&signature.name, signature.id) else { continue };
            if signers.iter().any(|(s, id)| s.name == signature.name && *id == signature.id) {
                continue;
            }
            let unix_secs = match key.kind() {
                KeyKind::Note => key.verifies(self.text.as_bytes(), &signature.bytes).then_some(None),
                KeyKind::Cosignature => signature.bytes.split_first_chunk().and_then(|(secs, bytes)| {
                    let secs = u64::from_be_bytes(*secs);
                    let fits = i64::try_from(secs).is_ok()
                        && key.verifies(cosigned(secs, &self.text).as_bytes(), bytes);
                    fits.then_some(Some(secs))
                }),
            };
            let bad = || NoteError::BadSignature { signer: signature.name.clone() };
            let unix_secs = unix_secs.ok_or_else(bad)?;
            signers.push((Signer { name: signature.name.clone(), kind: key.kind(), unix_secs }, key.id()));
        }
        if signers.is_empty() {
            let names: Vec<_> = self.signatures.iter().map(|s| format!("`{}+{}`", s.name, s.id)).collect();
            return Err(NoteError::NotSigned { signers: names.join(", ") });
        }
        Ok(signers.into_iter().map(|(signer, _)| signer).collect())
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| write!(f, "{signature}"))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = STANDARD.encode([&self.id.0, &self.bytes[..]].concat());
        writeln!(f, "— {} {bytes}", self.name)
    }
}

fn cosigned(unix_secs: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {unix_secs}\n{text}")
}

fn parse_signature(line: &str) -> Result<Signature, NoteError> {
    let wrong = malformed("each signature line is `— name base64`");
    let (name, base64) =
        line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(wrong.clone())?;
    let named = !name.is_empty() && !name.chars().any(|c| c == '+' || c.is_whitespace());
    let bytes = STANDARD.decode(base64).map_err(|_| wrong.clone())?;
    match bytes.split_first_chunk() {
        Some((id, bytes)) if named && !bytes.is_empty() => {
            Ok(Signature { name: name.to_owned(), id: KeyId(*id), bytes: bytes.to_vec() })
        }
        _ => Err(wrong),
    }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.bytes().any(|b| b < 0x20 && b != b'\n') {
        true => Err(malformed("it holds control characters")),
        false => Ok(()),
    }
}

fn malformed(reason: &'static str) -> NoteError {
    NoteError::Malformed { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of Go's sumdb notes.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn peter() -> Keyring {
        [PETER.parse().unwrap()].into_iter().collect()
    }

    fn parse(text: &str) -> Result<SignedNote, NoteError> {
        SignedNote::parse(text.as_bytes())
    }

    #[test]
    fn the_reference_note_verifies_and_writes_back() {
        let whole = format!("{TEXT}\n{LINE}");
        let note = parse(&whole).unwrap();
        assert_eq!(note.to_string(), whole);
        let signers = note.verify(&peter()).unwrap();
        assert_eq!(signers, [Signer { name: "PeterNeumann".into(), kind: KeyKind::Note, unix_secs: None }]);
    }

    #[test]
    fn one_altered_letter_voids_the_signature() {
        let note = parse(&format!("{}\n{LINE}", TEXT.replace("cryptography", "cryptographY"))).unwrap();
        assert_eq!(note.verify(&peter()), Err(NoteError::BadSignature { signer: "PeterNeumann".into() }));
        let key = SigningKey::from_seed("PeterNeumann", &[1; 32]).unwrap();
        let mut forged = SignedNote::new(TEXT).unwrap();
        forged.sign(&key);
        assert!(forged.verify(&peter()).unwrap_err().to_string().starts_with("no trusted key has signed"));
    }

    #[test]
    fn unknown_signatures_are_ignored_and_known_ones_must_all_fit() {
        let grease: String =
            (0..20u8).map(|i| format!("— grease{i} {}\n", STANDARD.encode([i; 80]))).collect();
        let note = parse(&format!("{TEXT}\n{grease}{LINE}{LINE}")).unwrap();
        assert_eq!(note.verify(&peter()).unwrap().len(), 1);
        let second = SigningKey::from_seed("second", &[2; 32]).unwrap();
        let both: Keyring = [PETER.parse().unwrap(), second.verifying_key().clone()].into_iter().collect();
        let mut note = note;
        note.sign(&second);
        assert_eq!(note.verify(&both).unwrap().len(), 2);
        let wrong = STANDARD.encode([&second.verifying_key().id().0[..], &[0; 64]].concat());
        let note = parse(&format!("{TEXT}\n{LINE}— second {wrong}\n")).unwrap();
        assert_eq!(note.verify(&both), Err(NoteError::BadSignature { signer: "second".into() }));
    }

    #[test]
    fn a_cosignature_says_when_and_cannot_be_redated() {
        let witness = SigningKey::from_seed("witness.example/w1", &[3; 32]).unwrap();
        let keys: Keyring = [witness.cosigning_key().unwrap()].into_iter().collect();
        let mut note = SignedNote::new(TEXT).unwrap();
        note.cosign(&witness, 1_679_315_147).unwrap();
        assert_eq!(note.verify(&keys).unwrap()[0].unix_secs, Some(1_679_315_147));
        note.signatures[0].bytes[7] ^= 1;
        assert!(matches!(note.verify(&keys), Err(NoteError::BadSignature { .. })));
        note.signatures[0].bytes.truncate(5);
        assert!(matches!(note.verify(&keys), Err(NoteError::BadSignature { .. })));
    }

    #[test]
    fn signatures_of_another_copy_are_merged_but_not_of_another_text() {
        let (one, two) =
            (SigningKey::from_seed("a", &[1; 32]).unwrap(), SigningKey::from_seed("b", &[2; 32]).unwrap());
        let mut note = SignedNote::new(TEXT).unwrap();
        let (mut copy, mut other) = (note.clone(), SignedNote::new("else\n").unwrap());
        note.sign(&one);
        copy.sign(&two);
        other.sign(&two);
        note.merge(copy.clone()).unwrap();
        note.merge(copy).unwrap();
        assert_eq!(note.signatures.len(), 2);
        assert!(note.merge(other).is_err());
    }

    #[test]
    fn malformed_notes_are_refused() {
        let good = format!("{TEXT}\n{LINE}");
        let crowd = LINE.repeat(101);
        for bad in [
            "",
            "\n",
            "\n\n",
            TEXT,
            LINE,
            &format!("{TEXT}\n"),
            &format!("{TEXT}{LINE}"),
            good.trim_end(),
            &good.replace("— ", "- "),
            &good.replace("PeterNeumann ", "Peter Neumann "),
            &good.replace("PeterNeumann ", "Peter+Neumann "),
            &good.replace("PeterNeumann ", " "),
            &good.replace("nAM=", "nAM"),
            &good.replace("nAM=", "nAN="),
            &good.replace("If", "I\tf"),
            &format!("{good}\n"),
            &good.replace('\n', "\r\n"),
            &format!("{TEXT}\n— a AAAA\n"),
            &format!("{TEXT}\n{crowd}"),
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(SignedNote::parse(b"\xff\n\n").is_err());
        assert!(SignedNote::new("no newline").is_err());
        assert!(SignedNote::parse(&vec![b'a'; NOTE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn blank_lines_in_the_text_are_kept() {
        let key = SigningKey::from_seed("a", &[1; 32]).unwrap();
        let mut note = SignedNote::new("one\n\n\ntwo\n").unwrap();
        note.sign(&key);
        assert_eq!(parse(&note.to_string()), Ok(note));
    }

    proptest! {
        #[test]
        fn any_text_is_a_note_or_refused(text in "[ab—+ \n=]{0,40}") {
            if let Ok(note) = parse(&text) {
                prop_assert_eq!(note.to_string(), text);
            }
        }
    }
}
