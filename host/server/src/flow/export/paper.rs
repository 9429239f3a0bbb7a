//! An export, or a report, as people read it.

use interlock_domain::{SignatureBinding, Timestamp};
use interlock_report::{Block, Document, SignatureLine, Table};

use super::{
    Scope,
    gather::{Exported, Gathered, Given, Reviewed},
};

/// The headings of what `records.csv` has of each entry.
const COLUMNS: [&str; 15] = [
    "entry",
    "time",
    "what",
    "person",
    "name",
    "account",
    "proved by",
    "object",
    "object id",
    "outcome",
    "says",
    "before",
    "after",
    "leaf hash",
    "proof",
];

/// The report of an export.
pub(super) fn report(gathered: &Gathered, scope: &Scope, at: Timestamp, by: &str) -> Document {
    let mut document = Document {
        title: format!("Ledger of {}", gathered.tenant),
        about: about(gathered, scope),
        sections: Vec::new(),
        foot: format!("{} at {} entries", gathered.origin, gathered.size),
    };
    document.about.push(("Exported".to_owned(), format!("{at} by {by}")));
    document.push("What cannot be proved", faults(gathered));
    let signatures = gathered.signatures.iter().map(|given| Block::Signature(line(given)));
    document.push("Electronic signatures", signatures.collect());
    let reviews = gathered.reviews.iter().map(|reviewed| Block::Signature(line_of_review(reviewed)));
    document.push("Reviews of the ledger", reviews.collect());
    document.push("Entries", vec![Block::Table(timeline(gathered))]);
    document.push("The checkpoint", vec![Block::Text(gathered.checkpoint.clone())]);
    document
}

fn about(gathered: &Gathered, scope: &Scope) -> Vec<(String, String)> {
    let mut about = vec![("Log".to_owned(), gathered.origin.clone())];
    let mut put =
        |name: &str, value: Option<String>| about.extend(value.map(|value| (name.to_owned(), value)));
    put("Change", scope.change.as_ref().map(ToString::to_string));
    let name = |person: &str| gathered.people.get(person).map(|name| format!("{name} ({person})"));
    put(
        "Person",
        scope.person.as_ref().map(|person| name(person.as_str()).unwrap_or_else(|| person.to_string())),
    );
    put("Device", scope.device.as_ref().map(ToString::to_string));
    put("From", scope.from.map(|from| from.to_string()));
    put("Until", scope.until.map(|until| until.to_string()));
    put("Entries", Some(gathered.entries.len().to_string()));
    put("Signatures", Some(gathered.signatures.len().to_string()));
    put("Reviews", Some(gathered.reviews.len().to_string()));
    put("Checkpoint at", Some(format!("{} entries", gathered.size)));
    about
}

/// What is not as it was written, first and in plain words.
pub(crate) fn faults(gathered: &Gathered) -> Vec<Block> {
    let mut faults = Vec::new();
    for exported in &gathered.entries {
        let idx = exported.row.idx;
        if let Err(why) = &exported.proof {
            faults.push(Block::Text(format!("Entry {idx} does not lead to the checkpoint: {why}")));
        }
        if exported.entry.is_none() {
            faults.push(Block::Text(format!("Entry {idx} cannot be read: it is not what was written.")));
        }
        if !exported.payload_fits {
            faults.push(Block::Text(format!(
                "The payload of entry {idx} is not the one that the entry names."
            )));
        }
    }
    for given in &gathered.signatures {
        if let Err(why) = &given.record {
            faults.push(Block::Text(format!("Signature {} does not hold: {why}", given.signature.id)));
        }
    }
    for reviewed in &gathered.reviews {
        if let Err(why) = &reviewed.record {
            faults.push(Block::Text(format!("Review {} does not hold: {why}", reviewed.review.id)));
        }
    }
    faults
}

/// The entries as people read them.
pub(crate) fn timeline(gathered: &Gathered) -> Table {
    let mut table = Table::new(&["Entry", "Date and time", "What", "Who", "Object", "Details"]);
    for exported in &gathered.entries {
        let cells = match &exported.entry {
            Some(entry) => {
                let outcome =
                    entry.outcome.as_deref().map(|outcome| format!("{outcome}; ")).unwrap_or_default();
                let policies = entry
                    .policy
                    .as_ref()
                    .map(|policy| format!("policies: {}", policy.determining.join(", ")));
                let details = format!("{outcome}{}{}", policies.unwrap_or_default(), exported.says);
                [time(entry.ts_ms), entry.kind.clone(), who(gathered, exported), object(exported), details]
            }
            None => [
                String::new(),
                "cannot be read".to_owned(),
                String::new(),
                object(exported),
                exported.says.clone(),
            ],
        };
        table.rows.push(std::iter::once(exported.row.idx.to_string()).chain(cells).collect());
    }
    table
}

/// The entries as spreadsheets read them.
pub(super) fn records(gathered: &Gathered) -> Table {
    let mut table = Table::new(&COLUMNS);
    for exported in &gathered.entries {
        let entry = exported.entry.as_ref();
        let text = |value: Option<String>| value.unwrap_or_default();
        let person = text(entry.and_then(|entry| entry.actor.person.clone()));
        table.rows.push(vec![
            exported.row.idx.to_string(),
            text(entry.map(|entry| time(entry.ts_ms))),
            text(entry.map(|entry| entry.kind.clone())),
            person.clone(),
            gathered.people.get(&person).cloned().unwrap_or_default(),
            text(entry.map(|entry| entry.actor.account.clone())),
            text(entry.and_then(|entry| entry.actor.auth.clone())),
            text(entry.map(|entry| entry.object.kind.clone())),
            text(entry.map(|entry| entry.object.id.clone())),
            text(entry.and_then(|entry| entry.outcome.clone())),
            exported.says.clone(),
            text(entry.and_then(|entry| entry.before.map(|digest| digest.to_string()))),
            text(entry.and_then(|entry| entry.after.map(|digest| digest.to_string()))),
            hex::encode(&exported.row.leaf_hash),
            if exported.proof.is_ok() { "proved".to_owned() } else { "not proved".to_owned() },
        ]);
    }
    table
}

fn who(gathered: &Gathered, exported: &Exported) -> String {
    let Some(entry) = &exported.entry else { return String::new() };
    match &entry.actor.person {
        Some(person) => match gathered.people.get(person) {
            Some(name) => format!("{name} ({person})"),
            None => person.clone(),
        },
        None => entry.actor.account.clone(),
    }
}

fn object(exported: &Exported) -> String {
    let Some(projection) = &exported.row.projection else { return String::new() };
    format!("{} {}", projection.object_kind, projection.object_id)
}

fn time(ts_ms: i64) -> String {
    Timestamp::from_millis(ts_ms).to_string()
}

/// A signature as 21 CFR 11.50 wants it shown.
pub(crate) fn line(given: &Given) -> SignatureLine {
    let Given { signature, record, superseded } = given;
    let meaning = serde_json::to_value(signature.meaning).ok();
    let meaning = meaning.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let standing = if *superseded { "superseded: the change was revised since" } else { "counts" };
    let binding = match signature.binding {
        SignatureBinding::Passkey => "bound by the signer's passkey",
        SignatureBinding::Server => "attested by the server",
    };
    let line = SignatureLine {
        meaning,
        id: signature.id.to_string(),
        record: format!("change {}, {}", signature.change, signature.digest),
        ..SignatureLine::default()
    };
    let record = match record {
        Ok(record) => record,
        Err(why) => {
            let signed_at = signature.signed_at.to_string();
            return SignatureLine {
                name: signature.person.to_string(),
                signed_at,
                standing: format!("does not hold: {why}"),
                ..line
            };
        }
    };
    let intent = &record.intent;
    let signer = &intent.signer;
    let behalf = intent.extent.delegation.as_ref().map(|used| format!(", on behalf of {}", used.name));
    let stage = intent.extent.stage.map(|stage| format!(", for stage {stage} alone")).unwrap_or_default();
    SignatureLine {
        name: signer.name.clone(),
        title: format!("{}, {}{}", signer.title, signer.organization, behalf.unwrap_or_default()),
        signed_at: there_and_utc(record.signed_at, record.clock.zone.as_deref()),
        sentence: intent.sentence.clone(),
        reason: intent.reason.clone(),
        standing: format!("{standing}{stage}; {binding}; proved by {}", record.auth.components.join(" and ")),
        ..line
    }
}

/// A review as 21 CFR 11.50 wants it shown.
fn line_of_review(reviewed: &Reviewed) -> SignatureLine {
    let Reviewed { review, record } = reviewed;
    let line = SignatureLine {
        name: review.name.clone(),
        signed_at: review.signed_at.to_string(),
        meaning: "review".to_owned(),
        reason: review.findings.clone(),
        record: format!("entries {} to {}", review.from, review.until.saturating_sub(1)),
        id: review.id.to_string(),
        ..SignatureLine::default()
    };
    match record {
        Err(why) => SignatureLine { standing: format!("does not hold: {why}"), ..line },
        Ok(record) => {
            let signer = &record.intent.signer;
            SignatureLine {
                name: signer.name.clone(),
                title: format!("{}, {}", signer.title, signer.organization),
                signed_at: there_and_utc(record.signed_at, record.clock.zone.as_deref()),
                sentence: record.intent.sentence.clone(),
                reason: record.intent.findings.clone(),
                standing: format!("counts; proved by {}", record.auth.components.join(" and ")),
                ..line
            }
        }
    }
}

/// A time in UTC, and where the signer was when they said so.
fn there_and_utc(at: Timestamp, zone: Option<&str>) -> String {
    let utc = format!("{at} (UTC)");
    let Some(zone) = zone else { return utc };
    let there = jiff::Timestamp::from_millisecond(at.as_millis()).and_then(|at| at.in_tz(zone));
    there.map_or(utc.clone(), |there| format!("{utc}, {} in {zone}", there.strftime("%Y-%m-%d %H:%M:%S %:z")))
}
