//! A Stellar transaction as it is signed and sent (XDR, RFC 4506; `Stellar-transaction.x`): one operation that writes a digest into an
//! account's data, and the same digest as its memo.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use interlock_domain::Digest;

/// Longest name of a piece of data.
pub(super) const NAME_BYTES_MAX: usize = 64;

const ENVELOPE_TYPE_TX: u32 = 2;
const KEY_TYPE_ED25519: u32 = 0;
const PRECOND_TIME: u32 = 1;
const MEMO_HASH: u32 = 3;
const MANAGE_DATA: u32 = 10;

/// What is written.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    pub(super) account: [u8; 32],
    /// The most that it may cost.
    pub(super) fee: u32,
    pub(super) sequence: i64,
    /// Until when it may be taken, in seconds since 1970: one that is late is sent anew instead of being taken twice.
    pub(super) until: u64,
    pub(super) name: &'a str,
    pub(super) digest: [u8; 32],
}

/// What is sent, and what the network calls it.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) bytes: Vec<u8>,
    pub(super) hash: Digest,
}

impl Transaction<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        let mut xdr = Xdr::default();
        xdr.number(KEY_TYPE_ED25519).fixed(&self.account);
        xdr.number(self.fee).fixed(&self.sequence.to_be_bytes());
        xdr.number(PRECOND_TIME).fixed(&0_u64.to_be_bytes()).fixed(&self.until.to_be_bytes());
        xdr.number(MEMO_HASH).fixed(&self.digest);
        // One operation, by the account itself.
        xdr.number(1).number(0).number(MANAGE_DATA);
        xdr.variable(self.name.as_bytes()).number(1).variable(&self.digest);
        // No extension.
        xdr.number(0);
        xdr.0
    }

    /// Signs it for one network.
    pub(super) fn sign(&self, passphrase: &str, key: &Ed25519KeyPair) -> Envelope {
        let transaction = self.to_bytes();
        let mut signed = Digest::of(passphrase).as_bytes().to_vec();
        signed.extend_from_slice(&ENVELOPE_TYPE_TX.to_be_bytes());
        signed.extend_from_slice(&transaction);
        let hash = Digest::of(&signed);
        let mut xdr = Xdr::default();
        xdr.number(ENVELOPE_TYPE_TX).fixed(&transaction);
        let public = key.public_key().as_ref();
        let hint = &public[public.len().saturating_sub(4)..];
        xdr.number(1).fixed(hint).variable(key.sign(hash.as_bytes()).as_ref());
        Envelope { bytes: xdr.0, hash }
    }
}

#[derive(Default)]
struct Xdr(Vec<u8>);

impl Xdr {
    fn number(&mut self, number: u32) -> &mut Self {
        self.fixed(&number.to_be_bytes())
    }

    fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// With its length before and filled up to four bytes.
    fn variable(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).fixed(bytes);
        while !self.0.len().is_multiple_of(4) {
            self.0.push(0);
        }
        self
    }
}
