//! The archive: one zip file, the same bytes for the same content, with a digest of every file in it.

use std::io::{Cursor, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{Digest, Timestamp};
use interlock_ledger::SigningKey;
use interlock_report::{csv, html, pdf};
use interlock_store::StoreError;
use interlock_vault::esig;
use serde_json::json;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{Scope, gather::Gathered, paper};
use crate::FlowError;

/// What the envelope around an archive's manifest holds.
pub(crate) const EXPORT_PAYLOAD_TYPE: &str = "application/vnd.interlock.export.v1+json";

const README: &str = include_str!("readme.txt");

/// An archive whose manifest is not in it yet.
pub(super) struct Packed {
    packing: Packing,
    manifest: serde_json::Value,
    /// Of the list of digests.
    pub(super) digest: Digest,
}

/// Files on their way into the archive, and their digests.
struct Packing {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    sums: String,
}

/// Packs everything but the manifest, which is signed.
pub(super) fn pack(gathered: &Gathered, scope: &Scope, at: Timestamp, by: &str) -> Result<Packed, FlowError> {
    let document = paper::report(gathered, scope, at, by);
    let mut packing = Packing { zip: ZipWriter::new(Cursor::new(Vec::new())), sums: String::new() };
    let proofs = gathered.entries.iter().filter(|exported| exported.proof.is_ok()).count();
    packing.put("README.txt", README.as_bytes())?;
    packing.put("report.html", html(&document).as_bytes())?;
    packing.put("report.pdf", &pdf(&document).map_err(|error| failed(&error))?)?;
    packing.put("records.csv", csv(&paper::records(gathered)).as_bytes())?;
    packing
        .put("records.jsonl", &lines(gathered.entries.iter().map(|exported| exported.row.body.clone())))?;
    packing.put(
        "payloads.jsonl",
        &lines(gathered.entries.iter().filter_map(|exported| {
            let payload = exported.row.payload.as_ref()?;
            // In base64, so that the bytes stay the ones whose digest the entry names.
            let said = json!({ "index": exported.row.idx, "payload": STANDARD.encode(payload) });
            Some(said.to_string().into_bytes())
        })),
    )?;
    packing.put("checkpoint", gathered.checkpoint.as_bytes())?;
    for (purpose, key) in &gathered.keys {
        packing.put(&key_file(purpose, key), format!("{key}\n").as_bytes())?;
    }
    packing.put("keys/server.vkey", format!("{}\n", gathered.server_key).as_bytes())?;
    for exported in &gathered.entries {
        if let Ok(proof) = &exported.proof {
            packing.put(&format!("proofs/{:010}.tlog-proof", exported.row.idx), proof.as_bytes())?;
        }
    }
    for given in &gathered.signatures {
        let name = format!("signatures/{}.dsse.json", given.signature.id);
        packing.put(&name, given.signature.envelope.as_bytes())?;
    }
    for reviewed in &gathered.reviews {
        let name = format!("reviews/{}.dsse.json", reviewed.review.id);
        packing.put(&name, reviewed.review.envelope.as_bytes())?;
    }
    let sums = std::mem::take(&mut packing.sums);
    packing.put("SHA256SUMS", sums.as_bytes())?;
    let digest = Digest::of(&sums);
    let manifest = json!({
        "v": 1, "tenant": gathered.tenant, "origin": gathered.origin, "scope": scope, "size": gathered.size.to_string(),
        "entries": gathered.entries.len().to_string(), "proofs": proofs.to_string(),
        "signatures": gathered.signatures.len().to_string(), "reviews": gathered.reviews.len().to_string(), "files": digest, "exported_at": at, "exported_by": by,
    });
    Ok(Packed { packing, manifest, digest })
}

impl Packed {
    /// The zip file, with its manifest signed.
    pub(super) fn seal(self, key: &SigningKey) -> Result<Vec<u8>, FlowError> {
        let Packed { mut packing, manifest, .. } = self;
        let envelope = esig::sealed(&manifest, EXPORT_PAYLOAD_TYPE, key).map_err(|error| failed(&error))?;
        packing.put("manifest.dsse.json", envelope.as_bytes())?;
        let done = packing.zip.finish().map_err(|error| failed(&error))?;
        Ok(done.into_inner())
    }
}

impl Packing {
    fn put(&mut self, name: &str, content: &[u8]) -> Result<(), FlowError> {
        // No time of day: the same content is the same file.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default());
        self.zip.start_file(name, options).map_err(|error| failed(&error))?;
        self.zip.write_all(content).map_err(|error| failed(&error))?;
        let digest = hex::encode(Digest::of(content).as_bytes());
        self.sums.push_str(&format!("{digest}  {name}\n"));
        Ok(())
    }
}

/// `keys/log.vkey`, `keys/emitter-….vkey`: only the log has one key.
fn key_file(purpose: &str, key: &str) -> String {
    match purpose {
        "log" => "keys/log.vkey".to_owned(),
        _ => {
            let id = key.rsplit('+').nth(1).unwrap_or_default();
            format!("keys/{purpose}-{id}.vkey")
        }
    }
}

fn lines(each: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in each {
        lines.extend(line);
        lines.push(b'\n');
    }
    lines
}

fn failed(error: &dyn std::error::Error) -> FlowError {
    StoreError::Malformed { detail: format!("the export cannot be written: {error}") }.into()
}
