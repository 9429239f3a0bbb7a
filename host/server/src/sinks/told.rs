//! What is told of an entry: one happening, or as many as the entry stands for.

use interlock_domain::{Decision, DecisionSubject, Principal, TenantId};
use interlock_ledger::{Entry, StoredRow};
use interlock_siem::Happening;
use interlock_store::Store;

/// The type of an entry that stands for many answers to other programs' questions.
const SEALED: &str = "decisions.sealed";
/// What is told where the ledger holds something that is no entry.
const UNREADABLE: &str = "ledger.unreadable";

/// What an entry says. One that cannot be read is told as that: whoever watches the ledger has to know.
pub(super) async fn happenings(store: &Store, log: &str, row: &StoredRow) -> Result<Vec<Happening>, String> {
    let hash = <[u8; 32]>::try_from(row.leaf_hash.as_slice()).unwrap_or_default();
    let Ok(entry) = Entry::parse(&row.body) else { return Ok(vec![unreadable(log, row)]) };
    let whole = Happening::of(&entry, &hash);
    if entry.kind != SEALED {
        return Ok(vec![whole]);
    }
    let Ok(tenant) = log.parse::<TenantId>() else { return Ok(vec![whole]) };
    let answers = store.segment_decisions(&tenant, &entry.object.id).await;
    let answers = answers.map_err(|error| error.to_string())?;
    let each = answers.into_iter().zip(0..).map(|(decision, part)| answer(&whole, decision, part));
    Ok(std::iter::once(whole.clone()).chain(each).collect())
}

/// One of the answers that an entry stands for. What was masked in the record is masked here.
fn answer(whole: &Happening, decision: Decision, part: u64) -> Happening {
    let mut one = Happening {
        part: Some(part),
        id: decision.id.to_string(),
        at_ms: decision.at.as_millis(),
        kind: "decision.access".to_owned(),
        outcome: Some(decision.outcome.as_str().to_owned()),
        ..whole.clone()
    };
    match decision.subject {
        DecisionSubject::Access { account, request, answer, .. } => {
            let text = |pointer: &str| {
                request.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or("-").to_owned()
            };
            one.account = account.to_string();
            one.person = Some(format!("{}:{}", text("/subject/type"), text("/subject/id")));
            one.object_kind = format!("{}.{}", text("/resource/type"), text("/action/name"));
            one.object = text("/resource/id");
            one.policies = answer.determining.iter().map(|policy| policy.id.clone()).collect();
        }
        DecisionSubject::Policy { question, answer, .. } => {
            one.kind = "decision.policy".to_owned();
            one.account = match &question.principal {
                Principal::Actor(actor) => actor.account.to_string(),
                Principal::Plugin { name, .. } => format!("plugin:{name}"),
            };
            one.object_kind = format!("{}.{}", question.resource.type_name(), question.action);
            one.object = question.resource.id();
            one.policies = answer.determining.iter().map(|policy| policy.id.clone()).collect();
        }
        _ => {}
    }
    one
}

fn unreadable(log: &str, row: &StoredRow) -> Happening {
    Happening {
        log: log.to_owned(),
        idx: row.idx,
        leaf_hash: hex::encode(&row.leaf_hash),
        part: None,
        id: "-".to_owned(),
        at_ms: row.projection.as_ref().map_or(0, |projection| projection.at_ms),
        kind: UNREADABLE.to_owned(),
        account: "-".to_owned(),
        auth: None,
        person: None,
        object_kind: "entry".to_owned(),
        object: row.idx.to_string(),
        outcome: None,
        policies: Vec::new(),
        trace: None,
    }
}
