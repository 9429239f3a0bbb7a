//! Whatever is altered behind the store's back, the audit names it; whatever the store itself writes, it finds sound.

use std::sync::atomic::{AtomicBool, Ordering};

use interlock_domain::{
    AccountId, Action, Change, ChangeId, Credential, DecisionId, Delegation, DelegationId, Facts, Group,
    Incident, IncidentId, KeyId, Login, PersonId, Resource, Role, Scope, Signature, State, Task, Timestamp,
};
use interlock_ledger::{Remembered, Verdict};
use interlock_store::{Audit, Cursor, Note, Store, StoreError, Write, testing};
use uuid::Uuid;

use crate::{fixture::*, on_both};

mod log;
mod state;

on_both! {
    what_nobody_touched_is_sound,
    a_log_without_entries_and_head_is_unverifiable,
    a_wiped_log_leaves_rows_that_no_entry_records,
    entries_without_a_head_are_found,
    a_head_that_is_smaller_or_larger_than_the_log_is_found,
    a_head_that_says_something_else_than_the_entries_is_found,
    a_row_that_is_gone_is_found_in_every_table,
    a_row_that_no_entry_names_is_found_in_every_table,
    an_altered_row_is_found_in_every_table,
    an_altered_column_is_found_in_every_table,
}

async fn audit(world: &World, remembered: Option<&Remembered>) -> Audit {
    world.store.audit("mercy", remembered, |_| {}).await.unwrap()
}

/// What an audit finds: `index: what`, or `what` alone where it is about no entry.
async fn found(world: &World) -> Vec<String> {
    listed(&audit(world, None).await)
}

fn listed(audit: &Audit) -> Vec<String> {
    let line = |what: &str, idx: Option<u64>| idx.map_or(what.to_owned(), |idx| format!("{idx}: {what}"));
    audit.report.findings.iter().map(|finding| line(&finding.what, finding.idx)).collect()
}

/// Lets SQL at the entries, as whoever owns the database can.
pub(crate) async fn unlock(world: &World) {
    let sqlite = "DROP TRIGGER ledger_entries_stay; DROP TRIGGER ledger_entries_fixed";
    let postgres = "DROP TRIGGER ledger_entries_stay ON ledger_entries;
                    DROP TRIGGER ledger_entries_fixed ON ledger_entries";
    world.raw(sqlite, postgres).await.unwrap();
}

/// The place of the last entry of this type.
async fn last(world: &World, kind: &str) -> usize {
    world.kinds("mercy").await.iter().rposition(|entry| entry == kind).unwrap()
}

/// One row in each table, and a change that was admitted.
async fn hospital(world: &World) -> Change {
    let group = Group {
        tenant: mercy(),
        name: "lab".parse().unwrap(),
        description: String::new(),
        created_at: at(0),
    };
    let key = Credential {
        id: KeyId::new(Uuid::from_u128(7)),
        tenant: mercy(),
        account: AccountId::new(Uuid::from_u128(1)),
        label: "test".to_owned(),
        secret_sha256: "00".to_owned(),
        scopes: vec![Scope::Read],
        created_at: at(0),
        expires_at: at(1_000_000),
        revoked_at: None,
        networks: Vec::new(),
        public_key: None,
    };
    let delegation = Delegation {
        id: DelegationId::new(Uuid::from_u128(8)),
        tenant: mercy(),
        from_person: PersonId::new(Uuid::from_u128(1)),
        from_account: AccountId::new(Uuid::from_u128(1)),
        from_name: "Ana".to_owned(),
        to_person: PersonId::new(Uuid::from_u128(2)),
        to_account: AccountId::new(Uuid::from_u128(2)),
        to_name: "Ben".to_owned(),
        roles: vec![Role::Regulatory],
        environment: None,
        starts_at: at(0),
        ends_at: at(1_000_000),
        reason: "away".to_owned(),
        created_at: at(0),
        decision: DecisionId::new(Uuid::from_u128(1)),
        revoked_at: None,
    };
    let incident = Incident {
        id: IncidentId::new(Uuid::from_u128(9)),
        tenant: mercy(),
        change: ChangeId::new(Uuid::from_u128(1)),
        environment: "production".parse().unwrap(),
        broken_by: Vec::new(),
        opened_at: at(0),
        glass_until: at(1),
        review_due: at(2),
        review: None,
    };
    let decision = world.decision(Action::ReadLedger, Resource::Ledger { tenant: mercy() }, Facts::None);
    let mut device = pump("p1");
    device.groups = vec!["lab".parse().unwrap()];
    let writes = vec![
        Write::Group(group),
        registered(device),
        Write::Account { account: Box::new(account("Ana", 1)), from: None },
        Write::Credential(Box::new(key)),
        crate::access::asked(crate::access::request(1, "alice")),
        Write::GateEndpoint(Box::new(crate::access::gate(1, "shop"))),
        Write::Decision(Box::new(decision)),
        Write::Login { login: Box::new(invited()), event: "login.invited" },
        Write::Signature(Box::new(signature())),
        Write::Delegation(Box::new(delegation)),
        Write::Incident(Box::new(incident)),
    ];
    world.commit(writes).await.unwrap();
    world.push("2.0").await;
    let change = world.admitted(&["p1"]).await;
    let record = Box::new(crate::rosters::record(&change, 1, crate::rosters::roster()));
    world.commit(vec![only(&change, Task::Enroll { record })]).await.unwrap();
    change
}

/// Somebody who was invited to log in.
fn invited() -> Login {
    let enrolment = interlock_domain::Enrolment {
        code_sha256: "00".to_owned(),
        by: interlock_domain::PersonId::new(Uuid::from_u128(2)),
        expires_at: at(1_000_000),
    };
    Login::none(&account("Ana", 1), at(0)).invited(enrolment, at(0))
}

fn signature() -> Signature {
    Signature {
        id: interlock_domain::SignatureId::new(Uuid::from_u128(8)),
        tenant: mercy(),
        change: interlock_domain::ChangeId::new(Uuid::from_u128(9)),
        person: interlock_domain::PersonId::new(Uuid::from_u128(2)),
        digest: interlock_domain::Digest::of("manifest"),
        meaning: interlock_domain::Meaning::Approval,
        binding: interlock_domain::SignatureBinding::Server,
        signed_at: at(0),
        envelope: "{}".to_owned(),
    }
}

/// The table, what its row is called, and the type of the entry that last recorded it.
const TABLES: [(&str, &str, &str); 14] = [
    ("changes", "change", "change.admitted"),
    ("devices", "device", "device.registered"),
    ("groups", "group", "group.created"),
    ("artifacts", "artifact", "artifact.pushed"),
    ("accounts", "account", "account.written"),
    ("credentials", "key", "key.created"),
    ("logins", "login", "login.invited"),
    ("signatures", "signature", "signature.made"),
    ("rosters", "roster", "roster.written"),
    ("access_requests", "access_request", "access.requested"),
    ("gate_endpoints", "gate", "gate.created"),
    ("decisions", "decision", "decision.policy"),
    ("delegations", "delegation", "delegation.created"),
    ("incidents", "incident", "incident.opened"),
];

/// Asserts that exactly this was found of one row of a table, whatever the row's id.
#[track_caller]
fn one_row(found: &[String], idx: Option<usize>, before: &str, after: &str) {
    let [found] = found else { panic!("{found:#?}") };
    let place = idx.map_or(String::new(), |idx| format!("{idx}: "));
    assert!(
        found.starts_with(&format!("{place}{before} `")) && found.ends_with(&format!("` {after}")),
        "{found}"
    );
}

async fn what_nobody_touched_is_sound(world: World) {
    hospital(&world).await;
    let mut steps = Vec::new();
    let audit = world.store.audit("mercy", None, |step| steps.push(step)).await.unwrap();
    assert_eq!(listed(&audit), [""; 0]);
    let head = world.store.head("mercy").await.unwrap().unwrap();
    assert_eq!(
        (audit.report.verdict(), audit.report.entries, audit.report.root),
        (Verdict::Sound, head.size, head.root)
    );
    let signed = world.store.signed("mercy").await.unwrap().unwrap();
    assert_eq!((audit.rows_compared, audit.changes_rebuilt, audit.checkpoint), (14, 1, signed.note));
    assert_eq!(signed.size, head.size);
    assert_eq!(steps.len(), 1 + TABLES.len(), "{steps:?}");
}

async fn a_log_without_entries_and_head_is_unverifiable(world: World) {
    for _ in ["no head", "the head that a refused first commit leaves behind"] {
        let audit = audit(&world, None).await;
        assert_eq!(audit.report.verdict(), Verdict::Unverifiable);
        assert_eq!(listed(&audit), ["log is empty, so that there is nothing to verify"]);
        assert!(audit.report.findings[0].expected.contains("check the tenant and the data folder"));
        let mut unknown = pump("p1");
        unknown.revision = 2;
        let update = Write::Device { device: Box::new(unknown), event: "device.reported", from_revision: 1 };
        assert!(matches!(world.commit(vec![update]).await, Err(StoreError::Conflict { .. })));
    }
}

async fn a_wiped_log_leaves_rows_that_no_entry_records(world: World) {
    hospital(&world).await;
    unlock(&world).await;
    world.tamper("DELETE FROM ledger_entries; DELETE FROM ledger_heads").await.unwrap();
    let audit = audit(&world, None).await;
    assert_eq!(audit.report.verdict(), Verdict::Tampered);
    let mut found = listed(&audit);
    assert_eq!(found.pop().unwrap(), "log is empty, so that there is nothing to verify");
    assert_eq!(found.len(), TABLES.len(), "{found:#?}");
    for (found, (_, object, _)) in found.iter().zip(TABLES) {
        one_row(std::slice::from_ref(found), None, object, "has no entry");
    }
}

async fn entries_without_a_head_are_found(world: World) {
    world.pumps(&["p1", "p2"]).await;
    world.tamper("DELETE FROM ledger_heads").await.unwrap();
    assert_eq!(found(&world).await, ["log has entries but no head"]);
}

async fn a_head_that_is_smaller_or_larger_than_the_log_is_found(world: World) {
    world.pumps(&["p1", "p2"]).await;
    world.store.signed("mercy").await.unwrap();
    let sizes = "head is smaller than what was signed";
    world.tamper("UPDATE ledger_heads SET size = 0").await.unwrap();
    assert_eq!(found(&world).await, ["0: head is smaller than the log", sizes]);
    world.tamper("UPDATE ledger_heads SET size = 1").await.unwrap();
    assert_eq!(found(&world).await, ["1: head is smaller than the log", sizes]);
    world.tamper("UPDATE ledger_heads SET size = 3").await.unwrap();
    assert_eq!(found(&world).await, ["2: head is larger than the log"]);
    world.tamper("UPDATE ledger_heads SET size = 2").await.unwrap();
    unlock(&world).await;
    world
        .tamper("DELETE FROM ledger_entries WHERE idx = 1; DELETE FROM devices WHERE id = 'p2'")
        .await
        .unwrap();
    assert_eq!(found(&world).await, ["1: head is larger than the log", "1: entries are missing at the end"]);
}

async fn a_head_that_says_something_else_than_the_entries_is_found(world: World) {
    world.pumps(&["p1", "p2"]).await;
    world.store.signed("mercy").await.unwrap();
    let aside = "CREATE TABLE aside AS SELECT * FROM ledger_heads;
                 CREATE TABLE signed_aside AS SELECT * FROM ledger_checkpoints";
    world.tamper(aside).await.unwrap();
    for (alter, what) in [
        ("UPDATE ledger_heads SET root = prev", "head has another root than the log"),
        ("UPDATE ledger_heads SET prev = root", "head names another last entry"),
        ("UPDATE ledger_heads SET frontier = root", "head would continue another tree"),
        ("UPDATE ledger_checkpoints SET note = 'x'", "checkpoint is refused"),
        ("UPDATE ledger_checkpoints SET note = ''", "checkpoint is refused"),
    ] {
        world.tamper(alter).await.unwrap();
        assert_eq!(found(&world).await, [what], "{alter}");
        let back = "DELETE FROM ledger_heads; INSERT INTO ledger_heads SELECT * FROM aside;
                    DELETE FROM ledger_checkpoints; INSERT INTO ledger_checkpoints SELECT * FROM signed_aside";
        world.tamper(back).await.unwrap();
    }
    // A checkpoint that the log did sign, earlier: the signer knows a newer one, and publishes it again.
    world.pumps(&["p3"]).await;
    let newest = world.store.signed("mercy").await.unwrap().unwrap();
    world
        .tamper("DELETE FROM ledger_checkpoints; INSERT INTO ledger_checkpoints SELECT * FROM signed_aside")
        .await
        .unwrap();
    assert_eq!(found(&world).await, [""; 0]);
    assert_eq!(world.store.signed("mercy").await.unwrap().unwrap(), newest);
    world.store.close().await;
    world.tamper("DELETE FROM ledger_checkpoints").await.unwrap();
    let reader = Store::open_to_read(world.database.options(), testing::keys()).await.unwrap();
    let unsigned = reader.audit("mercy", None, |_| {}).await.unwrap();
    assert_eq!(
        (unsigned.report.verdict(), listed(&unsigned)),
        (Verdict::Unverifiable, vec!["nothing of the log is signed".to_owned()])
    );
}

async fn a_row_that_is_gone_is_found_in_every_table(world: World) {
    hospital(&world).await;
    for (table, object, kind) in TABLES {
        let (aside, restore) = set_aside(table);
        world.tamper(aside).await.unwrap();
        world.tamper(removed(table)).await.unwrap();
        one_row(&found(&world).await, Some(last(&world, kind).await), object, "is gone");
        world.tamper(restore).await.unwrap();
    }
    assert_eq!(found(&world).await, [""; 0]);
}

fn removed(table: &str) -> &'static str {
    match table {
        "changes" => "DELETE FROM changes",
        "devices" => "DELETE FROM devices",
        "groups" => "DELETE FROM groups",
        "artifacts" => "DELETE FROM artifacts",
        "accounts" => "DELETE FROM accounts",
        "credentials" => "DELETE FROM credentials",
        "logins" => "DELETE FROM logins",
        "signatures" => "DELETE FROM signatures",
        "rosters" => "DELETE FROM rosters",
        "access_requests" => "DELETE FROM access_requests",
        "gate_endpoints" => "DELETE FROM gate_endpoints",
        "delegations" => "DELETE FROM delegations",
        "incidents" => "DELETE FROM incidents",
        _ => "DELETE FROM decisions",
    }
}

/// Sets the rows of a table aside, and puts them back.
fn set_aside(table: &str) -> (&'static str, &'static str) {
    macro_rules! aside {
        ($table:literal) => {
            (
                concat!("CREATE TABLE aside_", $table, " AS SELECT * FROM ", $table),
                concat!("DELETE FROM ", $table, "; INSERT INTO ", $table, " SELECT * FROM aside_", $table),
            )
        };
    }
    match table {
        "changes" => aside!("changes"),
        "devices" => aside!("devices"),
        "groups" => aside!("groups"),
        "artifacts" => aside!("artifacts"),
        "accounts" => aside!("accounts"),
        "credentials" => aside!("credentials"),
        "logins" => aside!("logins"),
        "signatures" => aside!("signatures"),
        "rosters" => aside!("rosters"),
        "access_requests" => aside!("access_requests"),
        "gate_endpoints" => aside!("gate_endpoints"),
        "delegations" => aside!("delegations"),
        "incidents" => aside!("incidents"),
        "decision_tags" => aside!("decision_tags"),
        _ => aside!("decisions"),
    }
}

async fn a_row_that_no_entry_names_is_found_in_every_table(world: World) {
    hospital(&world).await;
    for ((_, object, _), (add, remove)) in TABLES.into_iter().zip([
        (
            "INSERT INTO changes SELECT 'chg_x', tenant, environment, state, is_final, revision, digest, body FROM changes",
            "DELETE FROM changes WHERE id = 'chg_x'",
        ),
        (
            "INSERT INTO devices SELECT tenant, 'x', environment, model, site, state, health, firmware, revision, body
             FROM devices",
            "DELETE FROM devices WHERE id = 'x'",
        ),
        ("INSERT INTO groups SELECT tenant, 'x', body FROM groups", "DELETE FROM groups WHERE name = 'x'"),
        (
            "INSERT INTO artifacts SELECT 'art_x', tenant, name, 'x', digest, body, sealed FROM artifacts",
            "DELETE FROM artifacts WHERE id = 'art_x'",
        ),
        ("INSERT INTO accounts SELECT 'acc_x', tenant, body FROM accounts", "DELETE FROM accounts WHERE id = 'acc_x'"),
        (
            "INSERT INTO credentials SELECT 'key_x', tenant, account, revoked_ms, body FROM credentials",
            "DELETE FROM credentials WHERE id = 'key_x'",
        ),
        (
            "INSERT INTO logins SELECT 'acc_x', tenant, 'x', revision, body FROM logins",
            "DELETE FROM logins WHERE account = 'acc_x'",
        ),
        (
            "INSERT INTO signatures SELECT 'sig_x', tenant, change_id, person, body FROM signatures",
            "DELETE FROM signatures WHERE id = 'sig_x'",
        ),
        (
            "INSERT INTO rosters SELECT tenant, 'x', revision, change_id, body FROM rosters",
            "DELETE FROM rosters WHERE environment = 'x'",
        ),
        (
            "INSERT INTO access_requests
             SELECT 'acr_x', tenant, 'dec_x', subject, state, expires_ms, revision, body FROM access_requests",
            "DELETE FROM access_requests WHERE id = 'acr_x'",
        ),
        (
            "INSERT INTO gate_endpoints SELECT 'gte_x', tenant, 'x', revoked_ms, body FROM gate_endpoints",
            "DELETE FROM gate_endpoints WHERE id = 'gte_x'",
        ),
        (
            "INSERT INTO decisions SELECT 'dec_x', tenant, change_id, outcome, body, plugin, plugin_digest, tagged FROM decisions",
            "DELETE FROM decisions WHERE id = 'dec_x'",
        ),
        (
            "INSERT INTO delegations SELECT 'del_x', tenant, to_account, revoked_ms, body FROM delegations",
            "DELETE FROM delegations WHERE id = 'del_x'",
        ),
        (
            "INSERT INTO incidents SELECT 'inc_x', tenant, change_id, review_due_ms, reviewed_ms, body FROM incidents",
            "DELETE FROM incidents WHERE id = 'inc_x'",
        ),
    ]) {
        world.tamper(add).await.unwrap();
        one_row(&found(&world).await, None, object, "has no entry");
        world.tamper(remove).await.unwrap();
    }
}

async fn an_altered_row_is_found_in_every_table(world: World) {
    hospital(&world).await;
    for ((_, object, kind), alter) in TABLES.into_iter().zip([
        "UPDATE changes SET body = replace(body, '\"note\":null', '\"note\":\"x\"')",
        "UPDATE devices SET body = replace(body, '\"hardware_revision\":\"b\"', '\"hardware_revision\":\"c\"')",
        "UPDATE groups SET body = replace(body, '\"description\":\"\"', '\"description\":\"x\"')",
        "UPDATE artifacts SET body = replace(body, '\"size_bytes\":3', '\"size_bytes\":4')",
        "UPDATE accounts SET body = replace(body, '\"active\":true', '\"active\":false')",
        "UPDATE credentials SET body = replace(body, '\"secret_sha256\":\"00\"', '\"secret_sha256\":\"01\"')",
        "UPDATE logins SET body = replace(body, '\"failures\":0', '\"failures\":1')",
        "UPDATE signatures SET body = replace(body, '\"envelope\":\"{}\"', '\"envelope\":\"{ }\"')",
        "UPDATE rosters SET body = replace(body, '\"mode\":\"enforce\"', '\"mode\":\"monitor\"')",
        "UPDATE access_requests SET body = replace(body, '\"salt\":\"ab\"', '\"salt\":\"cd\"')",
        "UPDATE gate_endpoints SET body = replace(body, '\"secret_sha256\":\"00\"', '\"secret_sha256\":\"01\"')",
        "UPDATE decisions SET body = replace(body, '\"elapsed_us\":7', '\"elapsed_us\":8')",
        "UPDATE delegations SET body = replace(body, '\"to_name\":\"Ben\"', '\"to_name\":\"Bob\"')",
        "UPDATE incidents SET body = replace(body, '\"environment\":\"production\"', '\"environment\":\"staging\"')",
    ]) {
        world.tamper(alter).await.unwrap();
        let idx = last(&world, kind).await;
        let found: Vec<String> =
            found(&world).await.into_iter().filter(|found| found.contains(&format!(": {object} `"))).collect();
        // A change is its digest, the digest beside it, and the fold of its events.
        let (first, more) = found.split_first().unwrap();
        one_row(std::slice::from_ref(first), Some(idx), object, "is not what its newest entry says");
        assert_eq!(more.len(), usize::from(object == "change"), "{more:#?}");
    }
}

async fn an_altered_column_is_found_in_every_table(world: World) {
    hospital(&world).await;
    for (table, object, kind, column, alter) in [
        ("changes", "change", "change.admitted", "environment", "UPDATE changes SET environment = 'x'"),
        ("changes", "change", "change.admitted", "state", "UPDATE changes SET state = 'completed'"),
        ("changes", "change", "change.admitted", "is_final", "UPDATE changes SET is_final = 1"),
        ("changes", "change", "change.admitted", "revision", "UPDATE changes SET revision = 9"),
        ("changes", "change", "change.admitted", "digest", "UPDATE changes SET digest = 'x'"),
        ("changes", "change", "change.admitted", "tenant", "UPDATE changes SET tenant = 'grace'"),
        ("devices", "device", "device.registered", "environment", "UPDATE devices SET environment = 'x'"),
        ("devices", "device", "device.registered", "model", "UPDATE devices SET model = 'x'"),
        ("devices", "device", "device.registered", "site", "UPDATE devices SET site = 'x'"),
        ("devices", "device", "device.registered", "state", "UPDATE devices SET state = 'retired'"),
        ("devices", "device", "device.registered", "health", "UPDATE devices SET health = 'critical'"),
        ("devices", "device", "device.registered", "firmware", "UPDATE devices SET firmware = NULL"),
        ("devices", "device", "device.registered", "revision", "UPDATE devices SET revision = 9"),
        ("artifacts", "artifact", "artifact.pushed", "name", "UPDATE artifacts SET name = 'x'"),
        ("artifacts", "artifact", "artifact.pushed", "version", "UPDATE artifacts SET version = 'x'"),
        ("artifacts", "artifact", "artifact.pushed", "digest", "UPDATE artifacts SET digest = 'x'"),
        ("artifacts", "artifact", "artifact.pushed", "tenant", "UPDATE artifacts SET tenant = 'grace'"),
        ("accounts", "account", "account.written", "tenant", "UPDATE accounts SET tenant = 'grace'"),
        (
            "access_requests",
            "access_request",
            "access.requested",
            "state",
            "UPDATE access_requests SET state = 'approved'",
        ),
        (
            "access_requests",
            "access_request",
            "access.requested",
            "subject",
            "UPDATE access_requests SET subject = 'x'",
        ),
        (
            "access_requests",
            "access_request",
            "access.requested",
            "evaluation",
            "UPDATE access_requests SET evaluation = 'x'",
        ),
        (
            "access_requests",
            "access_request",
            "access.requested",
            "expires_ms",
            "UPDATE access_requests SET expires_ms = 9",
        ),
        (
            "access_requests",
            "access_request",
            "access.requested",
            "revision",
            "UPDATE access_requests SET revision = 9",
        ),
        (
            "access_requests",
            "access_request",
            "access.requested",
            "tenant",
            "UPDATE access_requests SET tenant = 'grace'",
        ),
        ("gate_endpoints", "gate", "gate.created", "name", "UPDATE gate_endpoints SET name = 'x'"),
        ("gate_endpoints", "gate", "gate.created", "revoked_ms", "UPDATE gate_endpoints SET revoked_ms = 9"),
        ("gate_endpoints", "gate", "gate.created", "tenant", "UPDATE gate_endpoints SET tenant = 'grace'"),
        ("logins", "login", "login.invited", "name", "UPDATE logins SET name = 'x'"),
        ("logins", "login", "login.invited", "revision", "UPDATE logins SET revision = 9"),
        ("signatures", "signature", "signature.made", "change_id", "UPDATE signatures SET change_id = 'x'"),
        ("signatures", "signature", "signature.made", "person", "UPDATE signatures SET person = 'x'"),
        ("credentials", "key", "key.created", "account", "UPDATE credentials SET account = 'acc_x'"),
        ("credentials", "key", "key.created", "revoked_ms", "UPDATE credentials SET revoked_ms = 1"),
        ("credentials", "key", "key.created", "tenant", "UPDATE credentials SET tenant = 'grace'"),
        ("rosters", "roster", "roster.written", "revision", "UPDATE rosters SET revision = 9"),
        ("rosters", "roster", "roster.written", "change_id", "UPDATE rosters SET change_id = 'x'"),
        ("decisions", "decision", "decision.policy", "outcome", "UPDATE decisions SET outcome = 'deny'"),
        ("decisions", "decision", "decision.policy", "change_id", "UPDATE decisions SET change_id = 'x'"),
        ("decisions", "decision", "decision.policy", "plugin", "UPDATE decisions SET plugin = 'x'"),
        (
            "decisions",
            "decision",
            "decision.policy",
            "plugin_digest",
            "UPDATE decisions SET plugin_digest = 'x'",
        ),
        ("decisions", "decision", "decision.policy", "tenant", "UPDATE decisions SET tenant = 'grace'"),
        (
            "delegations",
            "delegation",
            "delegation.created",
            "tenant",
            "UPDATE delegations SET tenant = 'grace'",
        ),
        (
            "delegations",
            "delegation",
            "delegation.created",
            "to_account",
            "UPDATE delegations SET to_account = 'acc_x'",
        ),
        (
            "delegations",
            "delegation",
            "delegation.created",
            "revoked_ms",
            "UPDATE delegations SET revoked_ms = 1",
        ),
        ("incidents", "incident", "incident.opened", "tenant", "UPDATE incidents SET tenant = 'grace'"),
        ("incidents", "incident", "incident.opened", "change_id", "UPDATE incidents SET change_id = 'chg_x'"),
        (
            "incidents",
            "incident",
            "incident.opened",
            "review_due_ms",
            "UPDATE incidents SET review_due_ms = 1",
        ),
        ("incidents", "incident", "incident.opened", "reviewed_ms", "UPDATE incidents SET reviewed_ms = 1"),
        (
            "decision_tags",
            "decision",
            "decision.policy",
            "decision_tags",
            "UPDATE decision_tags SET tag = 'action=x' WHERE tag LIKE 'action=%'",
        ),
    ] {
        let (aside, restore) = set_aside(table);
        // It is there from the column before, when this is not the table's first.
        let _ = world.tamper(aside).await;
        world.tamper(alter).await.unwrap();
        let what = format!("`{column}` of {object}");
        one_row(&found(&world).await, Some(last(&world, kind).await), &what, "is not what its body says");
        world.tamper(restore).await.unwrap();
    }
    let (device, change) = (last(&world, "device.registered").await, last(&world, "change.admitted").await);
    world.tamper("DELETE FROM device_groups").await.unwrap();
    one_row(&found(&world).await, Some(device), "`device_groups` of device", "is not what its body says");
    world.tamper("INSERT INTO device_groups VALUES ('mercy', 'p1', 'lab')").await.unwrap();
    world.tamper("UPDATE change_artifacts SET digest = 'x'").await.unwrap();
    one_row(&found(&world).await, Some(change), "`change_artifacts` of change", "is not what its body says");
}
