//! How a signature that we refuse was made, so that its maker knows what to change.
//!
//! **Invariant:** nothing here accepts a signature. It runs only after verification has failed.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
};
use num_bigint::BigUint;
use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::trust::PublicKey;

/// A way to make a signature by this key over this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1v15 { hash: &'static str },
    /// RSASSA-PSS with MGF1 over the same hash.
    Pss { hash: &'static str, salt_bytes: usize },
}

/// `None` when the signature is by another key, over another text, or damaged.
pub(super) fn how_made(key: &PublicKey, text: &[u8], signature: &[u8]) -> Option<Made> {
    for (hash, algorithm) in [
        ("SHA-512", &RSA_PKCS1_2048_8192_SHA512),
        ("SHA-256", &RSA_PKCS1_2048_8192_SHA256),
        ("SHA-384", &RSA_PKCS1_2048_8192_SHA384),
    ] {
        if UnparsedPublicKey::new(algorithm, &key.spki).verify(text, signature).is_ok() {
            return Some(Made::Pkcs1v15 { hash });
        }
    }
    let encoded = encoded_message(key, signature)?;
    let bits = usize::try_from(key.bits()).ok()?.checked_sub(1)?;
    let pss = |hash, salt: Option<usize>| salt.map(|salt_bytes| Made::Pss { hash, salt_bytes });
    pss("SHA-512", pss_salt_bytes::<Sha512>(&encoded, bits, text))
        .or_else(|| pss("SHA-256", pss_salt_bytes::<Sha256>(&encoded, bits, text)))
        .or_else(|| pss("SHA-384", pss_salt_bytes::<Sha384>(&encoded, bits, text)))
}

/// RSAVP1 and I2OSP of RFC 8017: `s^e mod n`, as many bytes as an encoded message has.
fn encoded_message(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    let number = BigUint::from_bytes_be(signature);
    if number >= key.modulus || signature.len() as u64 != key.bits().div_ceil(8) {
        return None;
    }
    let message = number.modpow(&key.exponent, &key.modulus).to_bytes_be();
    let length = usize::try_from((key.bits() - 1).div_ceil(8)).ok()?;
    let padding = length.checked_sub(message.len())?;
    Some([vec![0; padding], message].concat())
}

/// EMSA-PSS-VERIFY of RFC 8017, section 9.1.2, but for any length of salt: the length when the encoding is sound.
fn pss_salt_bytes<H: Digest>(encoded: &[u8], bits: usize, text: &[u8]) -> Option<usize> {
    let hash_bytes = <H as Digest>::output_size();
    let (&0xbc, rest) = encoded.split_last()? else { return None };
    let (masked, hash) = rest.split_at_checked(rest.len().checked_sub(hash_bytes)?)?;
    let mut block: Vec<u8> = masked.iter().zip(mgf1::<H>(hash)).map(|(byte, mask)| byte ^ mask).collect();
    let spare_bits = encoded.len() * 8 - bits;
    *block.first_mut()? &= 0xff >> spare_bits;
    let salt_at = block.iter().position(|&byte| byte != 0)? + 1;
    if block[salt_at - 1] != 0x01 {
        return None;
    }
    let salt = &block[salt_at..];
    let expected: Output<H> =
        H::new().chain_update([0; 8]).chain_update(H::digest(text)).chain_update(salt).finalize();
    (expected.as_slice() == hash).then_some(salt.len())
}

/// MGF1 of RFC 8017, appendix B.2.1, as an endless sequence.
fn mgf1<H: Digest>(seed: &[u8]) -> impl Iterator<Item = u8> {
    (0_u32..).flat_map(move |counter| {
        H::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize().to_vec()
    })
}
