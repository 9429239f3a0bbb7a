//! An anchor on the Stellar network, through Horizon's API: a transaction of an account of ours writes the checkpoint's digest into the
//! account's data, and carries it as its memo. <https://developers.stellar.org/docs/data/apis/horizon>

mod strkey;
mod xdr;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use self::xdr::{NAME_BYTES_MAX, Transaction};
use super::{Known, Proof, answered, client, secret};
use crate::config::LedgerAnchor;

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The account that pays.
pub(super) struct Account {
    horizon: Url,
    passphrase: String,
    key: Ed25519KeyPair,
    public: [u8; 32],
    fee: u32,
    timeout_ms: u64,
    http: Client,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("id", &strkey::encode(strkey::ACCOUNT, &self.public))
            .finish_non_exhaustive()
    }
}

impl Account {
    pub(super) fn open(config: &LedgerAnchor) -> Result<Self, String> {
        let path = &config.stellar_secret_file;
        let unusable =
            || format!("`{}` holds no secret key of a Stellar account (`S…`, 56 letters)", path.display());
        let seed = strkey::decode(strkey::SECRET, &secret(path)?).ok_or_else(unusable)?;
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| unusable())?;
        let public = key.public_key().as_ref().try_into().map_err(|_| unusable())?;
        Ok(Self {
            horizon: Url::parse(config.url.trim_end_matches('/')).map_err(|error| error.to_string())?,
            passphrase: config.stellar_passphrase.clone(),
            key,
            public,
            fee: config.stellar_fee,
            timeout_ms: config.timeout_ms,
            http: client(config).build().map_err(|error| error.to_string())?,
        })
    }

    pub(super) async fn know(&self, known: &Known<'_>) -> Result<Proof, String> {
        let id = strkey::encode(strkey::ACCOUNT, &self.public);
        let base = self.horizon.as_str().trim_end_matches('/');
        let (status, account) = self.json(self.http.get(format!("{base}/accounts/{id}"))).await?;
        if !status.is_success() {
            return Err(refused(&format!("the account {id}"), status, &account));
        }
        let sequence =
            account.get("sequence").and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok());
        let sequence = sequence.and_then(|sequence| sequence.checked_add(1));
        let sequence = sequence.ok_or_else(|| format!("Horizon does not say the sequence of {id}"))?;
        // Past that, nobody takes it any more, and it can be sent anew.
        let until =
            known.now.as_millis().saturating_add(i64::try_from(self.timeout_ms).unwrap_or(i64::MAX)) / 1_000;
        let name: String = format!("interlock/{}", known.log).chars().take(NAME_BYTES_MAX).collect();
        let transaction = Transaction {
            account: self.public,
            fee: self.fee,
            sequence,
            until: u64::try_from(until).unwrap_or_default().saturating_add(60),
            name: &name,
            digest: *known.digest.as_bytes(),
        };
        let envelope = transaction.sign(&self.passphrase, &self.key);
        let hash = envelope.hash.to_hex();
        let tx = STANDARD.encode(&envelope.bytes);
        let body = format!("tx={}", interlock_domain::in_address(&tx));
        let sent = self.http.post(format!("{base}/transactions"));
        let sent = sent.header("content-type", "application/x-www-form-urlencoded").body(body);
        let (status, answer) = self.json(sent).await?;
        // It took too long to say, and may be in: then it is found by its hash.
        let (status, answer) = if status == StatusCode::GATEWAY_TIMEOUT {
            self.json(self.http.get(format!("{base}/transactions/{hash}"))).await?
        } else {
            (status, answer)
        };
        if !status.is_success() {
            return Err(refused("the transaction", status, &answer));
        }
        if answer.get("hash").and_then(Value::as_str) != Some(&hash)
            || answer.get("successful").and_then(Value::as_bool) == Some(false)
        {
            return Err("Horizon says that another transaction was taken, or none".to_owned());
        }
        let ledger = answer.get("ledger").map(Value::to_string).unwrap_or_default();
        Ok(Proof { reference: format!("{hash} in ledger {ledger}"), proof: envelope.bytes })
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Value), String> {
        let (status, bytes) = answered(request, ANSWER_BYTES_MAX).await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

/// What Horizon says is wrong.
fn refused(what: &str, status: StatusCode, answer: &Value) -> String {
    let text = |pointer: &str| answer.pointer(pointer).filter(|found| !found.is_null()).map(Value::to_string);
    let why = text("/extras/result_codes").or_else(|| text("/title")).unwrap_or_default();
    let why: String = why.chars().take(200).collect();
    format!("Horizon refused {what}: {status} {why}").trim_end().to_owned()
}
