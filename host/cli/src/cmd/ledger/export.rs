//! Exports: fetched, and checked where there is no server.

mod files;

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use interlock_domain::{ChangeId, DeviceId, Digest, PersonId, Timestamp};
use interlock_ledger::{Checkpoint, Entry, Receipt, SignedNote, VerifyingKey};
use interlock_vault::esig;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use self::files::Files;
use super::{
    showing,
    trust::{Found, Problem, Trust, Trusted},
};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

/// What the envelope around the manifest of an export holds.
const PAYLOAD_TYPE: &str = "application/vnd.interlock.export.v1+json";
/// What the envelope around a review of the ledger holds.
const REVIEW_TYPE: &str = "application/vnd.interlock.review.v1+json";
/// What is in an export and not in its list of digests.
const UNLISTED: [&str; 2] = ["SHA256SUMS", "manifest.dsse.json"];

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Everything about this change: its targets, decisions, signatures and incidents, too.
    #[arg(long, value_name = "ID", conflicts_with_all = ["person", "device"])]
    change: Option<ChangeId>,
    /// What this person did, and what was done to their accounts.
    #[arg(long, value_name = "ID", conflicts_with = "device")]
    person: Option<PersonId>,
    /// Everything about this device, and what every change did to it.
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    /// From this instant on: `2026-11-20T00:00:00Z`.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this instant.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "ledger-export.zip")]
    to: PathBuf,
}

impl Export {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let given = [
            ("change", self.change.as_ref().map(ToString::to_string)),
            ("person", self.person.as_ref().map(ToString::to_string)),
            ("device", self.device.as_ref().map(ToString::to_string)),
            ("from", self.from.map(|from| from.to_string())),
            ("until", self.until.map(|until| until.to_string())),
        ];
        let given = given.into_iter().filter_map(|(name, value)| {
            Some(format!("{name}={}", utf8_percent_encode(&value?, NON_ALPHANUMERIC)))
        });
        let query: Vec<String> = given.collect();
        let client = connection.client()?;
        let path = format!("/ledger/export?{}", query.join("&"));
        let work = client.bytes(&path);
        let zip = showing(work, format, |bar| bar.set_message("the server exports")).await?;
        std::fs::write(&self.to, &zip).map_err(|error| Failure::file(&self.to, &error))?;
        let files = Files::read(&self.to).map_err(|problem| Failure::Local(problem.said))?;
        let shown = json!({
            "file": self.to.display().to_string(), "entries": files.lines("records.jsonl").len(),
            "signatures": files.below("signatures/").count(), "receipts": files.below("proofs/").count(),
        });
        let fields = [
            ("file", "/file"),
            ("entries", "/entries"),
            ("signatures", "/signatures"),
            ("receipts", "/receipts"),
        ];
        output::record(&shown, &fields, format)?;
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The export: its zip file, or the folder that it was unpacked to.
    path: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// The server's public key for signatures, or the file with it. Get it from whoever runs the server.
    #[arg(long, value_name = "VKEY")]
    server_key: String,
}

impl Check {
    pub(super) fn run(self, format: Format) -> Result<Outcome, Failure> {
        match self.check() {
            Ok(shown) => {
                let fields = [
                    ("outcome", "/outcome"),
                    ("log", "/origin"),
                    ("size", "/size"),
                    ("entries", "/entries"),
                    ("receipts", "/proofs"),
                    ("signatures", "/signatures"),
                    ("reviews", "/reviews"),
                    ("exported", "/exported_at"),
                    ("by", "/exported_by"),
                    ("witnesses", "/witnesses"),
                ];
                output::record(&shown, &fields, format)?;
                Ok(Outcome::Done)
            }
            Err(problem) => Ok(problem.end()),
        }
    }

    fn check(&self) -> Result<Value, Problem> {
        let trusted = self.trust.read()?;
        let text = std::fs::read_to_string(&self.server_key).unwrap_or_else(|_| self.server_key.clone());
        let server: VerifyingKey =
            text.trim().parse().map_err(|error| Problem::malformed(format!("--server-key: {error}")))?;
        let files = Files::read(&self.path)?;
        let manifest = manifest(&files, &server)?;
        unaltered(&files, &manifest)?;
        let witnesses = entries(&files, &manifest, &trusted)?;
        signatures(&files, &manifest, &server)?;
        let mut shown = manifest;
        shown["outcome"] = Found::Sound.word().into();
        shown["witnesses"] = witnesses.into();
        Ok(shown)
    }
}

/// What the server says that this is.
fn manifest(files: &Files, server: &VerifyingKey) -> Result<Value, Problem> {
    let envelope = files.get("manifest.dsse.json")?;
    let said = esig::said(envelope, PAYLOAD_TYPE, server).map_err(|error| match error {
        esig::EsigError::Altered => Problem::tampered(format!("`manifest.dsse.json`: {error}")),
        _ => Problem::malformed(format!("`manifest.dsse.json`: {error}")),
    })?;
    serde_json::from_slice(&said)
        .map_err(|error| Problem::malformed(format!("`manifest.dsse.json`: {error}")))
}

/// Every file is the one that was exported, and there is no other.
fn unaltered(files: &Files, manifest: &Value) -> Result<(), Problem> {
    let sums = files.get("SHA256SUMS")?;
    if manifest["files"] != Digest::of(sums).to_string() {
        return Err(Problem::tampered("`SHA256SUMS` is not the one that was exported"));
    }
    let sums = String::from_utf8_lossy(sums);
    let listed: BTreeMap<&str, &str> =
        sums.lines().filter_map(|line| line.split_once("  ").map(|(sum, name)| (name, sum))).collect();
    for (name, sum) in &listed {
        let found = hex::encode(Digest::of(files.get(name)?).as_bytes());
        if found != *sum {
            return Err(Problem::tampered(format!(
                "`{name}` was altered: its SHA-256 is {found} and not {sum}"
            )));
        }
    }
    match files.names().find(|name| !UNLISTED.contains(name) && !listed.contains_key(name)) {
        Some(stray) => Err(Problem::tampered(format!("`{stray}` was added: no digest of it was exported"))),
        None => Ok(()),
    }
}

/// Every entry leads to the one checkpoint, which the log signed; and there are as many as were exported.
fn entries(files: &Files, manifest: &Value, trusted: &Trusted) -> Result<Vec<String>, Problem> {
    let note = SignedNote::parse(files.get("checkpoint")?)
        .map_err(|error| Problem::from(interlock_ledger::CheckpointError::from(error)))?;
    let opened = Checkpoint::open_note(&note, &trusted.origin, &trusted.keys)?;
    let (size, root) = (opened.checkpoint().size, opened.checkpoint().root);
    counted(manifest, "size", size)?;
    let mut bodies = BTreeMap::new();
    for line in files.lines("records.jsonl") {
        let entry = Entry::parse(line)
            .map_err(|error| Problem::tampered(format!("a line of `records.jsonl`: {error}")))?;
        bodies.insert(entry.idx, (line, entry.data));
    }
    let mut proved = 0_usize;
    for (name, text) in files.below("proofs/") {
        let receipt = Receipt::parse(text)?;
        let (body, _) = bodies.get(&receipt.index).ok_or_else(|| {
            Problem::tampered(format!("`{name}` is of an entry that is not in `records.jsonl`"))
        })?;
        let opened = receipt.verify(body, &trusted.origin, &trusted.keys).map_err(|error| {
            let problem = Problem::from(error);
            Problem { said: format!("`{name}`: {}", problem.said), ..problem }
        })?;
        if (opened.checkpoint().size, opened.checkpoint().root) != (size, root) {
            return Err(Problem::tampered(format!("`{name}` is of another checkpoint than `checkpoint`")));
        }
        proved += 1;
    }
    for line in files.lines("payloads.jsonl") {
        payload(line, &bodies)?;
    }
    // A cell may hold line breaks, so that rows are counted by the index that each begins with.
    let rows = files.lines("records.csv").iter().filter(|line| begins_with_index(line)).count();
    for (what, found) in [("entries", bodies.len()), ("entries", rows), ("proofs", proved)] {
        counted(manifest, what, found as u64)?;
    }
    if proved < bodies.len() {
        let said = format!(
            "{} of {} entries have no receipt: the report says why",
            bodies.len() - proved,
            bodies.len()
        );
        return Err(Problem { found: Found::Unverifiable, said });
    }
    trusted.witnessed(&opened)
}

fn begins_with_index(line: &[u8]) -> bool {
    let inside = line.strip_prefix(b"\"").unwrap_or_default();
    let digits = inside.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && inside[digits..].starts_with(b"\",\"")
}

/// A payload is the one that its entry names.
fn payload(line: &[u8], bodies: &BTreeMap<u64, (&[u8], Option<Digest>)>) -> Result<(), Problem> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let malformed = |why: &str| Problem::malformed(format!("a line of `payloads.jsonl`: {why}"));
    let said: Value = serde_json::from_slice(line).map_err(|error| malformed(&error.to_string()))?;
    let index = said["index"].as_u64().ok_or_else(|| malformed("it has no index"))?;
    let bytes = said["payload"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.ok_or_else(|| malformed("its payload is no base64"))?;
    match bodies.get(&index) {
        Some((_, data)) if *data == Some(Digest::of(&bytes)) => Ok(()),
        Some(_) => Err(Problem::tampered(format!(
            "the payload of entry {index} is not the one that the entry names"
        ))),
        None => Err(Problem::tampered(format!("there is a payload of entry {index}, which is not here"))),
    }
}

/// Every signature holds.
fn signatures(files: &Files, manifest: &Value, server: &VerifyingKey) -> Result<(), Problem> {
    let fault = |name: &str, error: esig::EsigError| Problem::tampered(format!("`{name}`: {error}"));
    let (mut signatures, mut reviews) = (0_usize, 0_usize);
    for (name, envelope) in files.below("signatures/") {
        esig::open(envelope, server).map_err(|error| fault(name, error))?;
        signatures += 1;
    }
    for (name, envelope) in files.below("reviews/") {
        esig::said(envelope, REVIEW_TYPE, server).map_err(|error| fault(name, error))?;
        reviews += 1;
    }
    for (what, found) in [("signatures", signatures), ("reviews", reviews)] {
        counted(manifest, what, found as u64)?;
    }
    Ok(())
}

/// There are as many as the manifest says.
fn counted(manifest: &Value, what: &str, found: u64) -> Result<(), Problem> {
    let said = manifest[what].as_str().and_then(|text| text.parse::<u64>().ok());
    if said == Some(found) {
        return Ok(());
    }
    Err(Problem::tampered(format!("the manifest says {} {what}, and here it is {found}", manifest[what])))
}
