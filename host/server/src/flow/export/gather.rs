//! What an export is made of: the entries of one checkpoint, their proofs, and the signatures among them.

use std::collections::{BTreeMap, BTreeSet};

use interlock_domain::{
    Account, Actor, Digest, LedgerReview, PersonId, ReviewRecord, Signature, SignatureRecord,
};
use interlock_ledger::{Entry, SignedNote, StoredRow, VerifyingKey};
use interlock_store::{Page, StoreError};
use interlock_vault::esig;
use serde_json::Value;

use super::{Scope, words};
use crate::{
    App, FlowError,
    flow::{esign::review::REVIEW_PAYLOAD_TYPE, tlog},
};

/// Rows read in one statement.
const ROWS: u32 = 500;

/// A part of a log as of one checkpoint.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) tenant: String,
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) checkpoint: String,
    pub(crate) entries: Vec<Exported>,
    pub(crate) signatures: Vec<Given>,
    pub(crate) reviews: Vec<Reviewed>,
    pub(crate) keys: Vec<(&'static str, String)>,
    pub(crate) server_key: VerifyingKey,
    pub(crate) people: BTreeMap<String, String>,
}

/// An entry, and the proof of it.
#[derive(Debug)]
pub(crate) struct Exported {
    pub(crate) row: StoredRow,
    /// Absent when the body is no entry any more.
    pub(crate) entry: Option<Entry>,
    /// The receipt, or why there is none.
    pub(crate) proof: Result<String, String>,
    /// What people should know of the payload, in words.
    pub(crate) says: String,
    /// Whether the payload is what the entry names, or was erased.
    pub(crate) payload_fits: bool,
}

/// A signature, and what is in its envelope when that holds.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) signature: Signature,
    pub(crate) record: Result<Box<SignatureRecord>, String>,
    pub(crate) superseded: bool,
}

/// A review of the ledger, and what is in its envelope when that holds.
#[derive(Debug)]
pub(crate) struct Reviewed {
    pub(crate) review: LedgerReview,
    pub(crate) record: Result<Box<ReviewRecord>, String>,
}

/// Reads what is in scope, up to the newest checkpoint.
pub(crate) async fn gather(app: &App, who: &Actor, scope: &Scope) -> Result<Gathered, FlowError> {
    let log = who.tenant.as_str();
    let newest = tlog::newest(app, who).await?;
    // With the cosignatures, where they are there already for the same size.
    let witnessed = app.store.witnessed(log).await?.filter(|witnessed| witnessed.size == newest.size);
    let signed = witnessed.unwrap_or(newest);
    SignedNote::parse(signed.note.as_bytes())
        .map_err(|error| FlowError::Unsound(format!("the checkpoint of `{log}`: {error}")))?;
    let accounts = app.store.accounts(&who.tenant).await?;
    let theirs = scope.person.as_ref().map(|person| of_person(&accounts, person));
    let selection = scope.selection();
    let most = app.config.ledger.export_entries_max;
    let (mut entries, mut next) = (Vec::new(), 0);
    loop {
        let rows = app.store.selected(log, &selection, (next, signed.size), ROWS).await?;
        let Some(last) = rows.last() else { break };
        next = last.idx + 1;
        for row in rows {
            let entry = Entry::parse(&row.body).ok();
            if let (Some(person), Some(theirs)) = (&scope.person, &theirs)
                && !concerns(&row, entry.as_ref(), person, theirs)
            {
                continue;
            }
            if entries.len() as u64 >= most {
                return Err(FlowError::parameter(
                    "until",
                    format!(
                        "there are more than {most} entries, which is the most that one export has: export shorter periods, or have \
                         `ledger.export_entries_max` raised"
                    ),
                ));
            }
            let proof = match tlog::prove(app, who, &signed, row.clone()).await {
                Ok(proved) => Ok(proved.receipt.to_string()),
                Err(FlowError::Unsound(why)) => Err(why),
                Err(FlowError::Store(error @ StoreError::Corrupt { .. })) => Err(error.to_string()),
                Err(error) => return Err(error),
            };
            let before = before(app, log, &row).await?;
            let payload = row.payload.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
            let says = words::of(payload.as_ref(), before.as_ref());
            let data = entry.as_ref().and_then(|entry| entry.data);
            let payload_fits = row.payload.as_deref().is_none_or(|bytes| data == Some(Digest::of(bytes)));
            entries.push(Exported { row, entry, proof, says, payload_fits });
        }
    }
    let signatures = signatures(app, who, &entries).await?;
    let origin = tlog::origin(app, who);
    let keys = tlog::keys(app, who).await?;
    Ok(Gathered {
        tenant: who.tenant.to_string(),
        size: signed.size,
        checkpoint: signed.note,
        signatures,
        reviews: reviews(app, &entries),
        entries,
        keys: keys.iter().map(|key| (tlog::purpose(key, &origin), key.to_string())).collect(),
        origin,
        server_key: app.signer.verifying_key().clone(),
        people: accounts.into_iter().map(|account| (account.person.to_string(), account.name)).collect(),
    })
}

fn of_person<'a>(accounts: &'a [Account], person: &PersonId) -> BTreeSet<&'a str> {
    accounts.iter().filter(|account| account.person == *person).map(|account| account.id.as_str()).collect()
}

fn concerns(row: &StoredRow, entry: Option<&Entry>, person: &PersonId, theirs: &BTreeSet<&str>) -> bool {
    // What cannot be read may be anybody's: it is shown, rather than lost.
    let Some(entry) = entry else { return true };
    let acted =
        entry.actor.person.as_deref() == Some(person.as_str()) || theirs.contains(&*entry.actor.account);
    let about = matches!(&*entry.object.kind, "account" | "login") && theirs.contains(&*entry.object.id);
    let named = entry.object.kind == "signature"
        && row.payload.as_deref().is_some_and(|payload| mentions(payload, person.as_str()));
    acted || about || named
}

fn mentions(payload: &[u8], person: &str) -> bool {
    let value: Option<Value> = serde_json::from_slice(payload).ok();
    value.is_some_and(|value| value["person"] == person)
}

/// What was said of the same thing before, where an entry says how it is from then on.
async fn before(app: &App, log: &str, row: &StoredRow) -> Result<Option<Value>, FlowError> {
    let Some(projection) = &row.projection else { return Ok(None) };
    if row.payload.is_none() || !words::is_state(&projection.object_kind) {
        return Ok(None);
    }
    let page = Page { after: Some(row.idx.to_string()), limit: 1 };
    let object = (projection.object_kind.as_str(), projection.object_id.as_str());
    let earlier = app.store.entries_of(log, object, &page).await?;
    Ok(earlier.first().and_then(|row| serde_json::from_slice(row.payload.as_deref()?).ok()))
}

/// The electronic signatures that the entries name.
async fn signatures(app: &App, who: &Actor, entries: &[Exported]) -> Result<Vec<Given>, FlowError> {
    let mut given = Vec::new();
    for entry in entries.iter().filter_map(|exported| exported.entry.as_ref()) {
        if entry.kind != "signature.made" {
            continue;
        }
        let Ok(id) = entry.object.id.parse() else { continue };
        let Some(signature) = app.store.signature(&who.tenant, &id).await? else { continue };
        let fits = entry.object.digest == Some(signature.envelope_digest());
        let record = esig::open(signature.envelope.as_bytes(), app.signer.verifying_key());
        let record = match record {
            Ok(record) if fits => Ok(Box::new(record)),
            Ok(_) => Err("its envelope is not the one that the ledger names".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let change = app.store.change(&who.tenant, &signature.change).await?;
        let superseded = change.is_none_or(|change| signature.is_superseded(&change));
        given.push(Given { signature, record, superseded });
    }
    Ok(given)
}

/// The reviews among the entries.
fn reviews(app: &App, entries: &[Exported]) -> Vec<Reviewed> {
    let mut reviews = Vec::new();
    for exported in entries {
        if exported.entry.as_ref().is_none_or(|entry| entry.kind != "ledger.reviewed") {
            continue;
        }
        let payload = exported.row.payload.as_deref();
        let review = payload.and_then(|bytes| serde_json::from_slice::<LedgerReview>(bytes).ok());
        let Some(review) = review else { continue };
        let said = esig::said(review.envelope.as_bytes(), REVIEW_PAYLOAD_TYPE, app.signer.verifying_key());
        let record = said.map_err(|error| error.to_string()).and_then(|bytes| {
            serde_json::from_slice(&bytes).map(Box::new).map_err(|error| error.to_string())
        });
        reviews.push(Reviewed { review, record });
    }
    reviews
}
