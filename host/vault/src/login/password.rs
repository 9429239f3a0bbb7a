//! Hashes of passwords: Argon2id (RFC 9106). The text form is that of the PHC string format.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Why there is no hash.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The cost makes no sense.
    #[error("passwords cannot be hashed at this cost: {reason}")]
    Cost {
        /// Why.
        reason: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no randomness for a salt: try again")]
    NoRandomness,
}

impl PasswordCost {
    /// Whether anything can be hashed at this cost.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(self) -> Result<(), PasswordError> {
        self.hasher().map(|_| ())
    }

    /// Hashes a password under a fresh salt. Takes as long and as much memory as the cost says.
    ///
    /// # Errors
    /// When the cost makes no sense, or there is no randomness.
    pub fn hash(self, password: &str) -> Result<String, PasswordError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| PasswordError::NoRandomness)?;
        let hash = self.digest(password, &salt)?;
        let Self { memory_kib, passes, lanes } = self;
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash.as_slice()));
        Ok(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"))
    }

    /// Whether the password is the one of this hash, at the cost that the hash names. Without a hash it does the same
    /// work at this cost and says no, so that nobody learns from the time it takes.
    pub fn verify(self, password: &str, hash: Option<&str>) -> bool {
        let known = hash.and_then(read);
        let found = match &known {
            Some((cost, salt, _)) => cost.digest(password, salt),
            None => self.digest(password, &[0; SALT_BYTES]),
        };
        match (found, known) {
            (Ok(found), Some((.., expected))) => {
                aws_lc_rs::constant_time::verify_slices_are_equal(found.as_slice(), &expected).is_ok()
            }
            _ => false,
        }
    }

    /// Whether a hash cost less than this: then it is made anew at the next login.
    pub fn is_above(self, hash: &str) -> bool {
        read(hash).is_none_or(|(cost, ..)| cost.memory_kib < self.memory_kib || cost.passes < self.passes)
    }

    fn digest(self, password: &str, salt: &[u8]) -> Result<Zeroizing<[u8; HASH_BYTES]>, PasswordError> {
        let mut hash = Zeroizing::new([0; HASH_BYTES]);
        let done = self.hasher()?.hash_password_into(password.as_bytes(), salt, hash.as_mut_slice());
        done.map_err(|error| PasswordError::Cost { reason: error.to_string() })?;
        Ok(hash)
    }

    fn hasher(self) -> Result<Argon2<'static>, PasswordError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_BYTES));
        let params = params.map_err(|error| PasswordError::Cost { reason: error.to_string() })?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

fn read(hash: &str) -> Option<(PasswordCost, Vec<u8>, Vec<u8>)> {
    let mut parts = hash.strip_prefix("$argon2id$v=19$")?.split('$');
    let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut numbers = cost.split(',').zip(["m=", "t=", "p="]);
    let mut next = || numbers.next().and_then(|(text, name)| text.strip_prefix(name)?.parse().ok());
    let cost = PasswordCost { memory_kib: next()?, passes: next()?, lanes: next()? };
    Some((cost, STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn only_the_same_password_fits_its_hash() {
        let hash = CHEAP.hash("twelve chars").unwrap();
        assert!(CHEAP.verify("twelve chars", Some(&hash)));
        assert!(!CHEAP.verify("twelve charz", Some(&hash)));
        assert!(!CHEAP.verify("twelve chars", None));
        assert!(!CHEAP.verify("twelve chars", Some("$argon2id$v=19$m=64,t=1$AA$AA")));
        assert_ne!(hash, CHEAP.hash("twelve chars").unwrap(), "each has a salt of its own");
    }

    #[test]
    fn a_cheaper_hash_is_known_and_still_fits() {
        let hash = CHEAP.hash("twelve chars").unwrap();
        let dearer = PasswordCost { memory_kib: 128, ..CHEAP };
        assert!(dearer.is_above(&hash) && dearer.verify("twelve chars", Some(&hash)));
        assert!(!CHEAP.is_above(&hash));
    }

    #[test]
    fn a_cost_without_sense_is_refused() {
        assert!(PasswordCost { memory_kib: 1, passes: 1, lanes: 1 }.check().is_err());
        assert!(PasswordCost { memory_kib: 19_456, passes: 0, lanes: 1 }.check().is_err());
        assert!(PasswordCost { memory_kib: 19_456, passes: 2, lanes: 1 }.check().is_ok());
    }
}
