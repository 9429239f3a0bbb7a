//! Events of the Open Cybersecurity Schema Framework, version 1.3.

use serde_json::{Value, json};

use crate::{Happening, Source};

/// The version of the schema.
const VERSION: &str = "1.3.0";
/// The category of all of them but API activity: identity and access management.
const IDENTITY: u64 = 3;
/// The category of API activity: application activity.
const APPLICATION: u64 = 6;

/// What an entry is in the schema.
struct Class {
    category: u64,
    uid: u64,
    activity: u64,
}

/// One entry.
pub(crate) fn event(happening: &Happening, source: &Source) -> Value {
    let Class { category, uid, activity } = class(&happening.kind);
    let (severity_id, severity) = happening.severity().ocsf();
    let (status_id, status) = match happening.is_refusal() {
        true => (2, "Failure"),
        false => (1, "Success"),
    };
    let mut user = json!({ "uid": happening.account });
    if let Some(person) = &happening.person {
        user["uid_alt"] = json!(person);
    }
    let object = json!({ "type": happening.object_kind, "uid": happening.object });
    let mut event = json!({
        "activity_id": activity,
        "activity_name": happening.kind,
        "actor": { "user": user },
        "category_uid": category,
        "class_uid": uid,
        "type_uid": uid * 100 + activity,
        "metadata": {
            "version": VERSION,
            "uid": happening.id,
            "log_name": happening.log,
            "sequence": happening.idx,
            "product": { "name": "Interlock", "vendor_name": "Interlock", "version": source.version },
        },
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "time": happening.at_ms,
        "message": happening.sentence(),
        "unmapped": {
            "log": happening.log, "idx": happening.idx, "leaf_hash": happening.leaf_hash,
            "part": happening.part, "auth": happening.auth, "outcome": happening.outcome,
            "policies": happening.policies, "object": object,
        },
    });
    match uid {
        6003 => {
            event["api"] = json!({ "operation": happening.kind, "service": { "name": source.app } });
            // The ledger does not say where from; the schema demands that something is said.
            event["src_endpoint"] = json!({ "name": "not recorded" });
            event["resources"] = json!([object]);
        }
        // About the account that is the object, when it is one.
        _ => event["user"] = json!({ "uid": happening.object }),
    }
    if uid == 3005 {
        event["privileges"] = json!([happening.object]);
    }
    if let Some(trace) = &happening.trace {
        event["metadata"]["correlation_uid"] = json!(trace);
    }
    event
}

/// Authentication, account change, access management, or else API activity.
fn class(kind: &str) -> Class {
    let (about, what) = kind.split_once('.').unwrap_or((kind, ""));
    let identity = |uid, activity| Class { category: IDENTITY, uid, activity };
    match (about, what) {
        ("session", "begun") | ("login", "failed") => identity(3002, 1),
        ("session", "ended") => identity(3002, 2),
        ("login", "locked") => identity(3001, 9),
        ("account" | "key" | "login" | "subject", _) => identity(3001, 99),
        ("delegation", "created") | ("access", "approved") => identity(3005, 1),
        ("delegation" | "access", "revoked") => identity(3005, 2),
        _ => {
            let activity = match what {
                "created" | "proposed" | "pushed" | "registered" | "opened" | "made" => 1,
                "revised" | "written" | "updated" => 3,
                "removed" => 4,
                _ => 99,
            };
            Class { category: APPLICATION, uid: 6003, activity }
        }
    }
}
