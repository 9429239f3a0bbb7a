//! SSH signatures (PROTOCOL.sshsig): the block in a commit, the key in it, and whether it signs these bytes.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const NAMESPACE: &[u8] = b"git";
/// Longest block: a signature of an RSA key of 8192 bits has 3 kB.
const BLOCK_MAX: usize = 16 << 10;

/// A signature that names its key. It says nothing until [`Signature::signs`] has.
pub(crate) struct Signature {
    /// The public key, as SSH writes it.
    pub(crate) key: Vec<u8>,
    namespace: Vec<u8>,
    reserved: Vec<u8>,
    hash: Vec<u8>,
    signature: Vec<u8>,
}

impl Signature {
    /// Reads the block.
    pub(crate) fn parse(block: &str) -> Result<Self, &'static str> {
        if block.trim_start().starts_with("-----BEGIN PGP") {
            return Err("it is an OpenPGP signature; sign with an SSH key (`git config gpg.format ssh`)");
        }
        if block.len() > BLOCK_MAX {
            return Err("it is longer than any signature");
        }
        let inner = block.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let text: String = inner.ok_or("it is no SSH signature")?.split_whitespace().collect();
        let blob = STANDARD.decode(text).map_err(|_| "it is not base64")?;
        let broken = "it is cut off or has too much";
        let mut reader = Reader(&blob);
        if reader.take(MAGIC.len()) != Some(MAGIC) || reader.take(4) != Some(&[0, 0, 0, 1]) {
            return Err("it is no SSH signature of version 1");
        }
        let mut field = || reader.string().map(<[u8]>::to_vec).ok_or(broken);
        let signature = Self {
            key: field()?,
            namespace: field()?,
            reserved: field()?,
            hash: field()?,
            signature: field()?,
        };
        if !reader.0.is_empty() {
            return Err(broken);
        }
        if signature.namespace != NAMESPACE {
            return Err("it was made for something else than git");
        }
        Ok(signature)
    }

    /// Whether its key signed these bytes.
    pub(crate) fn signs(&self, data: &[u8]) -> Result<(), &'static str> {
        let hash = match self.hash.as_slice() {
            b"sha256" => digest::digest(&digest::SHA256, data),
            b"sha512" => digest::digest(&digest::SHA512, data),
            _ => return Err("its hash is neither sha256 nor sha512"),
        };
        let mut message = MAGIC.to_vec();
        for part in [&self.namespace, &self.reserved, &self.hash, &hash.as_ref().to_vec()] {
            message.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            message.extend(part);
        }
        let mut reader = Reader(&self.signature);
        let (Some(algorithm), Some(raw)) = (reader.string(), reader.string()) else {
            return Err("it is cut off");
        };
        let wrong = "it does not sign this commit";
        let key = Key::parse(&self.key).ok_or("its key cannot be read")?;
        let verified = match (algorithm, key) {
            (b"ssh-ed25519", Key::Ed25519(key)) => {
                UnparsedPublicKey::new(&ED25519, key).verify(&message, raw)
            }
            (b"ecdsa-sha2-nistp256", Key::P256(key)) => {
                let fixed = fixed(raw, 32).ok_or(wrong)?;
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(&message, &fixed)
            }
            (b"ecdsa-sha2-nistp384", Key::P384(key)) => {
                let fixed = fixed(raw, 48).ok_or(wrong)?;
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key).verify(&message, &fixed)
            }
            (b"rsa-sha2-512", Key::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA512, &message, raw)
            }
            (b"rsa-sha2-256", Key::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, &message, raw)
            }
            _ => return Err("its algorithm is not that of its key, or not one that can be checked"),
        };
        verified.map_err(|_| wrong)
    }
}

/// Whether this is a key of this type.
pub(crate) fn check_key(blob: &[u8], kind: &str) -> Result<(), String> {
    let named = Reader(blob).string() == Some(kind.as_bytes());
    if named && Key::parse(blob).is_some() {
        Ok(())
    } else {
        Err("its key is not what its type says".to_owned())
    }
}

enum Key<'a> {
    Ed25519(&'a [u8]),
    P256(&'a [u8]),
    P384(&'a [u8]),
    Rsa { n: &'a [u8], e: &'a [u8] },
}

impl<'a> Key<'a> {
    fn parse(blob: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(blob);
        let key = match reader.string()? {
            b"ssh-ed25519" => Key::Ed25519(reader.string().filter(|key| key.len() == 32)?),
            b"ecdsa-sha2-nistp256" if reader.string()? == b"nistp256" => Key::P256(reader.string()?),
            b"ecdsa-sha2-nistp384" if reader.string()? == b"nistp384" => Key::P384(reader.string()?),
            b"ssh-rsa" => {
                let e = trimmed(reader.string()?);
                Key::Rsa { e, n: trimmed(reader.string()?) }
            }
            _ => return None,
        };
        reader.0.is_empty().then_some(key)
    }
}

/// Two numbers of SSH as one field of twice that many bytes.
fn fixed(raw: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut reader = Reader(raw);
    let mut whole = Vec::with_capacity(2 * bytes);
    for _ in 0..2 {
        let number = trimmed(reader.string()?);
        whole.resize(whole.len() + bytes.checked_sub(number.len())?, 0);
        whole.extend(number);
    }
    reader.0.is_empty().then_some(whole)
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.take(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }
}
