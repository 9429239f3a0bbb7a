//! Checkpoints of C2SP: what a log says about itself at one size, signed.
//!
//! No time stands in a checkpoint, and no extension line: neither could be audited. Freshness comes from cosignatures.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::keys::{KeyKind, Keyring, SigningKey};
use crate::note::{NoteError, SignedNote, Signer};
use crate::tree::Hash;

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text is not origin, size and root.
    #[error("not a checkpoint: {reason}")]
    Malformed {
        /// The rule it breaks.
        reason: &'static str,
    },
    /// Another log's checkpoint.
    #[error("the checkpoint is of log `{found}`, not of `{expected}`: ask the right log")]
    OtherLog {
        /// The log asked about.
        expected: String,
        /// The log that the checkpoint names.
        found: String,
    },
    /// Signed by somebody, but not by the log's own key.
    #[error(
        "the checkpoint carries no signature by a trusted key of log `{origin}`: get the log's key from its owner"
    )]
    NotByLog {
        /// The log.
        origin: String,
    },
    /// The note around it is refused.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// The state of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a URL without scheme.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The Merkle tree hash over them.
    pub root: Hash,
}

/// A checkpoint whose signature by the log has been verified: there is no other way to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedCheckpoint {
    checkpoint: Checkpoint,
    signers: Vec<Signer>,
}

impl OpenedCheckpoint {
    /// What the log said.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The trusted witnesses that cosigned, each once, with their times.
    pub fn witnesses(&self) -> impl Iterator<Item = &Signer> {
        self.signers.iter().filter(|signer| signer.kind == KeyKind::Cosignature)
    }
}

impl Checkpoint {
    /// Signs as the log. Sign only what has been stored and is consistent with everything signed before.
    ///
    /// # Errors
    /// When the key is not named like the log, or the origin cannot stand on a line of its own.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedNote, CheckpointError> {
        if key.verifying_key().name() != self.origin {
            let (expected, found) = (self.origin.clone(), key.verifying_key().name().to_owned());
            return Err(CheckpointError::OtherLog { expected, found });
        }
        let mut note = SignedNote::new(self.to_string())?;
        note.sign(key);
        Ok(note)
    }

    /// Reads a signed checkpoint of the log `origin` and verifies it against the trusted keys.
    ///
    /// # Errors
    /// When the bytes are no checkpoint, are another log's, or carry no good signature by the log's own key.
    pub fn open(bytes: &[u8], origin: &str, keys: &Keyring) -> Result<OpenedCheckpoint, CheckpointError> {
        Self::open_note(&SignedNote::parse(bytes)?, origin, keys)
    }

    /// As [`Checkpoint::open`], for a note that is already parsed.
    ///
    /// # Errors
    /// As there.
    pub fn open_note(
        note: &SignedNote,
        origin: &str,
        keys: &Keyring,
    ) -> Result<OpenedCheckpoint, CheckpointError> {
        let signers = note.verify(keys)?;
        let checkpoint: Self = note.unverified_text().parse()?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::OtherLog { expected: origin.to_owned(), found: checkpoint.origin });
        }
        // A trusted witness or node must not be able to speak for the log.
        if !signers.iter().any(|signer| signer.kind == KeyKind::Note && signer.name == origin) {
            return Err(CheckpointError::NotByLog { origin: origin.to_owned() });
        }
        Ok(OpenedCheckpoint { checkpoint, signers })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let malformed = |reason| CheckpointError::Malformed { reason };
        let lines: Vec<_> = text.split('\n').take(5).collect();
        let [origin, size, root, ""] = lines[..] else {
            return Err(malformed("it has three lines: origin, size and root"));
        };
        if origin.is_empty() {
            return Err(malformed("the origin is empty"));
        }
        let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            origin: origin.to_owned(),
            size: number.ok_or(malformed("the size is no decimal number without leading zeros"))?,
            root: root.ok_or(malformed("the root is not 32 bytes in base64"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the C2SP checkpoint specification.
    const SOFA: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, &[seed; 32]).unwrap()
    }

    fn ring<const N: usize>(keys: [&SigningKey; N]) -> Keyring {
        keys.into_iter().map(|key| key.verifying_key().clone()).collect()
    }

    #[test]
    fn the_example_of_the_specification_reads_and_writes() {
        let checkpoint: Checkpoint = SOFA.parse().unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        assert_eq!(checkpoint.to_string(), SOFA);
    }

    #[test]
    fn what_is_not_three_lines_is_refused() {
        for bad in [
            "",
            "\n\n\n",
            "o\n1\n",
            &SOFA.replace("2085", "02085"),
            &SOFA.replace("2085", "+2085"),
            &SOFA.replace("q2I=", "q2I"),
            &SOFA.replace("q2I=", ""),
            &format!("{SOFA}extension\n"),
            SOFA.trim_end(),
            &SOFA[28..],
            &SOFA.replace("20852163", ""),
            &SOFA.replace("20852163", "18446744073709551616"),
        ] {
            assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_log_itself_speaks_for_the_log() {
        let checkpoint: Checkpoint = SOFA.parse().unwrap();
        let (log, node) = (key(&checkpoint.origin, 1), key("node-1", 2));
        let mut note = checkpoint.sign(&log).unwrap();
        assert!(matches!(checkpoint.sign(&node), Err(CheckpointError::OtherLog { .. })));
        note.sign(&node);
        note.cosign(&node, 7).unwrap();
        let bytes = note.to_string();
        let open = |keys: &Keyring| Checkpoint::open(bytes.as_bytes(), &checkpoint.origin, keys);
        assert_eq!(open(&ring([&log])).unwrap().checkpoint(), &checkpoint);
        assert_eq!(
            open(&ring([&node])),
            Err(CheckpointError::NotByLog { origin: checkpoint.origin.clone() })
        );
        assert!(matches!(
            open(&ring([&key(&checkpoint.origin, 9)])),
            Err(CheckpointError::Note(NoteError::NotSigned { .. }))
        ));
        let elsewhere = Checkpoint::open(bytes.as_bytes(), "example.com/other", &ring([&log]));
        assert!(matches!(elsewhere, Err(CheckpointError::OtherLog { .. })));
        let trusted = [log.verifying_key().clone(), node.cosigning_key().unwrap()].into_iter().collect();
        let opened = open(&trusted).unwrap();
        assert_eq!(
            opened.witnesses().map(|w| (w.name.as_str(), w.unix_secs)).collect::<Vec<_>>(),
            [("node-1", Some(7))]
        );
    }

    proptest! {
        #[test]
        fn checkpoints_read_back(origin in "[a-z./]{1,20}", size: u64, root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size, root };
            prop_assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
        }

        #[test]
        fn any_text_is_a_checkpoint_or_refused(text in "[a0-9+/=\n]{0,60}") {
            if let Ok(checkpoint) = text.parse::<Checkpoint>() {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
