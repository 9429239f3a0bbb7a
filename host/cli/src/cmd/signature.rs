//! `interlock signature`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use interlock_domain::{ChangeId, Digest};
use interlock_ledger::VerifyingKey;
use interlock_vault::esig;
use serde_json::{Value, json};

use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Signature {
    /// Verify a signature, without a server: that it was made by one, for this change, and by the signer's passkey where one
    /// bound it. Exit code 3 when it does not hold.
    Verify {
        /// The envelope: `sig_….dsse.json`.
        file: PathBuf,
        /// The server's public key, or the file with it: `server.vkey`.
        #[arg(long, value_name = "VKEY")]
        server_key: String,
        /// The change that it should be about, as `interlock change show --output json` prints it. Its digest is worked out anew
        /// from its manifest.
        #[arg(long, value_name = "FILE")]
        change: PathBuf,
    },
}

impl Signature {
    pub(crate) fn run(self, format: Format) -> Result<Outcome, Failure> {
        let Signature::Verify { file, server_key, change } = self;
        let key = match std::fs::read_to_string(&server_key) {
            Ok(text) => text,
            Err(_) => server_key,
        };
        let key: VerifyingKey =
            key.trim().parse().map_err(|error| Failure::Usage(format!("--server-key: {error}")))?;
        let (id, digest) = record(&change)?;
        let envelope = std::fs::read(&file).map_err(|error| Failure::file(&file, &error))?;
        let record = esig::verify(envelope.trim_ascii(), &key, &id, &digest)
            .map_err(|error| Failure::Local(format!("`{}` does not hold: {error}", file.display())))?;
        let intent = &record.intent;
        let shown = json!({
            "id": intent.sig_id, "name": intent.signer.name, "title": intent.signer.title,
            "organization": intent.signer.organization, "meaning": intent.sentence, "reason": intent.reason,
            "signed_at": record.signed_at, "zone": record.clock.zone, "change": intent.record.id,
            "stage": intent.extent.stage, "on_behalf_of": intent.extent.delegation.as_ref().map(|used| &used.name),
            "clock_offset_ms": record.clock.offset_ms, "digest": intent.record.digest, "binding": record.binding, "components": record.auth.components,
        });
        let fields = [
            ("id", "/id"),
            ("signed by", "/name"),
            ("title", "/title"),
            ("organization", "/organization"),
            ("meaning", "/meaning"),
            ("reason", "/reason"),
            ("for stage", "/stage"),
            ("on behalf of", "/on_behalf_of"),
            ("signed", "/signed_at"),
            ("zone", "/zone"),
            ("clock off by (ms)", "/clock_offset_ms"),
            ("change", "/change"),
            ("digest", "/digest"),
            ("binding", "/binding"),
            ("proved by", "/components"),
        ];
        output::record(&shown, &fields, format)?;
        Ok(Outcome::Done)
    }
}

/// The id and the digest of a change in a file.
fn record(path: &Path) -> Result<(ChangeId, Digest), Failure> {
    let unfit = |what: String| Failure::Usage(format!("`{}`: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let change: Value = serde_json::from_slice(&text).map_err(|error| unfit(error.to_string()))?;
    let id = change["id"].as_str().unwrap_or_default().parse();
    let id = id.map_err(|error: interlock_domain::IdError| unfit(error.to_string()))?;
    if !change["manifest"].is_object() {
        return Err(unfit(
            "there is no `manifest`; give what `interlock change show --output json` prints".to_owned(),
        ));
    }
    let digest = Digest::of_canonical(&change["manifest"]).map_err(|error| unfit(error.to_string()))?;
    Ok((id, digest))
}
