//! The tables whose rows entries record, and how a row is compared with the newest entry that names it.

use interlock_domain::{Decision, State, Tag, Timestamp};
use interlock_ledger::{CanonicalError, Digest, Entry, Finding, parse_strict};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, FromRow, Row, Type};

use crate::{
    Store, StoreError,
    db::{fetch_all, text},
    row,
};

/// Ids looked at in one statement when searching for rows without an entry.
const IDS: u32 = 1_000;

/// A table whose rows entries record.
pub(super) struct Table {
    /// What its entries call a row.
    object: &'static str,
    name: &'static str,
    id: &'static str,
    /// Whether two tenants may have rows of the same id.
    of_tenant: bool,
    /// The entry types that say what a row is from then on: patterns of `LIKE`.
    kinds: [&'static str; 2],
    /// Whether the digest is over the exact text rather than its canonical form.
    exact: bool,
    columns: &'static [Column],
}

/// A column that repeats what the body says, so that queries can use it.
pub(super) struct Column {
    name: &'static str,
    /// The column, or a query for what stands in another table, as text; `r` is the row.
    sql: &'static str,
    /// What it should hold, by the body and its digest.
    says: fn(&Value, &Digest) -> Option<String>,
}

/// A row beside the newest entry that names it, read in one statement.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) id: String,
    idx: i64,
    entry: Vec<u8>,
    pub(super) body: Option<String>,
    columns: Vec<Option<String>>,
}

pub(super) static TABLES: [Table; 15] = [
    Table {
        object: "change",
        name: "changes",
        id: "id",
        of_tenant: false,
        // Tasks leave entries that name the change too, but say nothing of its row.
        kinds: ["change.%", "rollout.%"],
        exact: false,
        columns: &[
            Column { name: "tenant", sql: "r.tenant", says: |b, _| word(b, "/manifest/tenant") },
            Column { name: "environment", sql: "r.environment", says: |b, _| word(b, "/manifest/environment") },
            Column { name: "state", sql: "r.state", says: |b, _| word(b, "/state") },
            Column { name: "is_final", sql: "r.is_final", says: |b, _| is_final(b) },
            Column { name: "revision", sql: "r.revision", says: |b, _| word(b, "/revision") },
            Column { name: "digest", sql: "r.digest", says: |_, digest| Some(digest.to_string()) },
            Column {
                name: "change_artifacts",
                sql: "(SELECT string_agg(a.tenant || ' ' || a.name || ' ' || a.digest, ',' ORDER BY a.name, a.digest)
                       FROM change_artifacts a WHERE a.change_id = r.id)",
                says: |b, _| artifacts(b),
            },
        ],
    },
    Table {
        object: "device",
        name: "devices",
        id: "id",
        of_tenant: true,
        kinds: ["device.%"; 2],
        exact: false,
        columns: &[
            Column { name: "environment", sql: "r.environment", says: |b, _| word(b, "/environment") },
            Column { name: "model", sql: "r.model", says: |b, _| word(b, "/model") },
            Column { name: "site", sql: "r.site", says: |b, _| word(b, "/site") },
            Column { name: "state", sql: "r.state", says: |b, _| word(b, "/state") },
            Column { name: "health", sql: "r.health", says: |b, _| word(b, "/health") },
            Column { name: "firmware", sql: "r.firmware", says: |b, _| word(b, "/firmware") },
            Column { name: "revision", sql: "r.revision", says: |b, _| word(b, "/revision") },
            Column {
                name: "device_groups",
                sql: "(SELECT string_agg(g.name, ',' ORDER BY g.name)
                       FROM device_groups g WHERE g.tenant = r.tenant AND g.device = r.id)",
                says: |b, _| joined(b.get("groups").into_iter().flat_map(words)),
            },
        ],
    },
    Table {
        object: "group",
        name: "groups",
        id: "name",
        of_tenant: true,
        kinds: ["group.created", "group.removed"],
        exact: false,
        columns: &[],
    },
    Table {
        object: "artifact",
        name: "artifacts",
        id: "id",
        of_tenant: false,
        kinds: ["artifact.pushed"; 2],
        exact: false,
        columns: &[
            TENANT,
            Column { name: "name", sql: "r.name", says: |b, _| word(b, "/name") },
            Column { name: "version", sql: "r.version", says: |b, _| word(b, "/version") },
            Column { name: "digest", sql: "r.digest", says: |b, _| word(b, "/digest") },
        ],
    },
    Table {
        object: "account",
        name: "accounts",
        id: "id",
        of_tenant: false,
        kinds: ["account.written"; 2],
        exact: false,
        columns: &[TENANT],
    },
    Table {
        object: "key",
        name: "credentials",
        id: "id",
        of_tenant: false,
        kinds: ["key.created", "key.revoked"],
        exact: false,
        columns: &[
            TENANT,
            // A key acts for the account that this column names.
            Column { name: "account", sql: "r.account", says: |b, _| word(b, "/account") },
            Column { name: "revoked_ms", sql: "r.revoked_ms", says: |b, _| millis(b, "/revoked_at") },
        ],
    },
    Table {
        object: "login",
        name: "logins",
        id: "account",
        of_tenant: false,
        kinds: ["login.%"; 2],
        exact: false,
        columns: &[
            TENANT,
            // Whoever types this name logs in to the account.
            Column { name: "name", sql: "r.name", says: |b, _| word(b, "/name") },
            Column { name: "revision", sql: "r.revision", says: |b, _| word(b, "/revision") },
        ],
    },
    Table {
        object: "signature",
        name: "signatures",
        id: "id",
        of_tenant: false,
        kinds: ["signature.made"; 2],
        exact: false,
        columns: &[
            TENANT,
            Column { name: "change_id", sql: "r.change_id", says: |b, _| word(b, "/change") },
            Column { name: "person", sql: "r.person", says: |b, _| word(b, "/person") },
        ],
    },
    Table {
        object: "subject",
        name: "subjects",
        id: "id",
        of_tenant: false,
        kinds: ["subject.linked", "subject.unlinked"],
        exact: false,
        // A token acts for the account that this column names.
        columns: &[TENANT, Column { name: "account", sql: "r.account", says: |b, _| word(b, "/account") }],
    },
    Table {
        object: "roster",
        name: "rosters",
        id: "environment",
        of_tenant: true,
        kinds: ["roster.written"; 2],
        exact: false,
        columns: &[
            Column { name: "revision", sql: "r.revision", says: |b, _| word(b, "/revision") },
            Column { name: "change_id", sql: "r.change_id", says: |b, _| word(b, "/change") },
        ],
    },
    Table {
        object: "access_request",
        name: "access_requests",
        id: "id",
        of_tenant: false,
        kinds: ["access.%"; 2],
        exact: false,
        columns: &[
            TENANT,
            Column { name: "evaluation", sql: "r.evaluation", says: |b, _| word(b, "/evaluation") },
            Column { name: "subject", sql: "r.subject", says: |b, _| word(b, "/subject") },
            Column { name: "state", sql: "r.state", says: |b, _| word(b, "/state") },
            Column { name: "expires_ms", sql: "r.expires_ms", says: |b, _| millis(b, "/expires_at") },
            Column { name: "revision", sql: "r.revision", says: |b, _| word(b, "/revision") },
        ],
    },
    Table {
        object: "gate",
        name: "gate_endpoints",
        id: "id",
        of_tenant: false,
        kinds: ["gate.created", "gate.revoked"],
        exact: false,
        columns: &[
            TENANT,
            Column { name: "name", sql: "r.name", says: |b, _| word(b, "/name") },
            Column { name: "revoked_ms", sql: "r.revoked_ms", says: |b, _| millis(b, "/revoked_at") },
        ],
    },
    Table {
        object: "decision",
        name: "decisions",
        id: "id",
        of_tenant: false,
        kinds: ["decision.%"; 2],
        exact: true,
        columns: &[
            TENANT,
            Column {
                name: "change_id",
                sql: "r.change_id",
                says: |b, _| Some(word(b, "/change").unwrap_or_default()),
            },
            Column { name: "outcome", sql: "r.outcome", says: |b, _| word(b, "/outcome") },
            Column {
                name: "plugin",
                sql: "r.plugin",
                says: |b, _| Some(of_plugin(b, "/subject/name")),
            },
            Column {
                name: "plugin_digest",
                sql: "r.plugin_digest",
                says: |b, _| Some(of_plugin(b, "/subject/digest")),
            },
            Column {
                name: "decision_tags",
                sql: "(SELECT string_agg(t.tenant || ' ' || t.tag, ',' ORDER BY t.tenant, t.tag)
                       FROM decision_tags t WHERE t.id = r.id)",
                says: |b, _| tags(b),
            },
        ],
    },
    Table {
        object: "delegation",
        name: "delegations",
        id: "id",
        of_tenant: false,
        kinds: ["delegation.created", "delegation.revoked"],
        exact: false,
        columns: &[
            TENANT,
            Column { name: "to_account", sql: "r.to_account", says: |b, _| word(b, "/to_account") },
            Column { name: "revoked_ms", sql: "r.revoked_ms", says: |b, _| millis(b, "/revoked_at") },
        ],
    },
    Table {
        object: "incident",
        name: "incidents",
        id: "id",
        of_tenant: false,
        kinds: ["incident.opened", "incident.reviewed"],
        exact: false,
        columns: &[
            TENANT,
            Column { name: "change_id", sql: "r.change_id", says: |b, _| word(b, "/change") },
            Column { name: "review_due_ms", sql: "r.review_due_ms", says: |b, _| millis(b, "/review_due") },
            Column { name: "reviewed_ms", sql: "r.reviewed_ms", says: |b, _| millis(b, "/review/at") },
        ],
    },
];

const TENANT: Column = Column { name: "tenant", sql: "r.tenant", says: |b, _| word(b, "/tenant") };

impl Table {
    /// Whether a row must also be the fold of its events.
    pub(super) fn is_folded(&self) -> bool {
        self.object == "change"
    }

    /// What is wrong with a row.
    pub(super) fn compare(&self, recorded: &Recorded) -> Vec<Finding> {
        // An entry that cannot be read is reported where the log is.
        let Ok(entry) = Entry::parse(&recorded.entry) else { return Vec::new() };
        let (idx, name) = (Some(recorded.entry_idx()), self.named(&recorded.id));
        let (after, body) = match (entry.after, &recorded.body) {
            (None, None) => return Vec::new(),
            (None, Some(_)) => {
                let found = format!("a row of table `{}`", self.name);
                return vec![Finding::tampered(
                    idx,
                    format!("{name} was removed and is there"),
                    "no row",
                    found,
                )];
            }
            (Some(after), None) => {
                let found = format!("no row of table `{}`", self.name);
                return vec![Finding::tampered(idx, format!("{name} is gone"), after.to_string(), found)];
            }
            (Some(after), Some(body)) => (after, body),
        };
        let (value, digest) = match self.read(body) {
            Ok(read) => read,
            Err(error) => {
                let what = format!("{name} cannot be read");
                return vec![Finding::tampered(idx, what, after.to_string(), error.to_string())];
            }
        };
        let mut findings = Vec::new();
        if digest != after {
            let what = format!("{name} is not what its newest entry says");
            findings.push(Finding::tampered(idx, what, after.to_string(), digest.to_string()));
        }
        for (column, found) in self.columns.iter().zip(&recorded.columns) {
            let says = (column.says)(&value, &digest);
            if says != *found {
                let what = format!("`{}` of {name} is not what its body says", column.name);
                findings.push(Finding::tampered(idx, what, shown(says.as_deref()), shown(found.as_deref())));
            }
        }
        findings
    }

    /// A row that no entry ever named.
    pub(super) fn unrecorded(&self, id: &str) -> Finding {
        let what = format!("{} has no entry", self.named(id));
        Finding::tampered(
            None,
            what,
            "an entry that records it",
            format!("only a row of table `{}`", self.name),
        )
    }

    fn named(&self, id: &str) -> String {
        // A limit on what is repeated: whoever put a row there chose its id.
        format!("{} `{}`", self.object, id.chars().take(200).collect::<String>())
    }

    fn read(&self, body: &str) -> Result<(Value, Digest), CanonicalError> {
        if self.exact {
            let malformed =
                |error: serde_json::Error| CanonicalError::Malformed { reason: error.to_string() };
            return Ok((serde_json::from_str(body).map_err(malformed)?, Digest::of(body)));
        }
        // Not through the row's type, which may have got fields since it was written.
        let value = parse_strict(body.as_bytes())?;
        let digest = Digest::of_canonical(&value)?;
        Ok((value, digest))
    }

    fn newest_sql(&self) -> String {
        let columns: String =
            self.columns.iter().map(|column| format!(", CAST({} AS TEXT)", column.sql)).collect();
        let tenant = if self.of_tenant { "AND r.tenant = $1" } else { "" };
        format!(
            "SELECT o.object_id, e.idx, e.body, r.body{columns}
             FROM (SELECT object_id, MAX(idx) AS idx FROM ledger_entries
                   WHERE log = $1 AND object_kind = $2 AND object_id > $3 AND (kind LIKE $4 OR kind LIKE $5)
                   GROUP BY object_id ORDER BY object_id LIMIT $6) o
             JOIN ledger_entries e ON e.log = $1 AND e.idx = o.idx
             LEFT JOIN {} r ON r.{} = o.object_id {tenant}
             ORDER BY o.object_id",
            self.name, self.id
        )
    }

    fn unrecorded_sql(&self) -> String {
        format!(
            "SELECT p.id, CAST(CASE WHEN EXISTS (
                 SELECT 1 FROM ledger_entries e WHERE e.log = $1 AND e.object_kind = $2 AND e.object_id = p.id
                 AND (e.kind LIKE $4 OR e.kind LIKE $5)) THEN 1 ELSE 0 END AS BIGINT)
             FROM (SELECT {id} AS id FROM {table} WHERE tenant = $1 AND {id} > $3 ORDER BY {id} LIMIT $6) p
             ORDER BY p.id",
            id = self.id,
            table = self.name
        )
    }
}

impl Store {
    /// The things that entries of this table name, by id, each with the newest such entry and the row.
    pub(super) async fn newest(
        &self,
        table: &Table,
        log: &str,
        above: &str,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        let [first, second] = table.kinds;
        Ok(fetch_all!(
            self.db().reader(),
            Recorded,
            AssertSqlSafe(table.newest_sql()),
            log,
            table.object,
            above,
            first,
            second,
            i64::from(limit)
        )?)
    }

    /// The ids of rows that no entry names, as many as a report has room for.
    pub(super) async fn unrecorded(&self, table: &Table, log: &str) -> Result<Vec<String>, StoreError> {
        let [first, second] = table.kinds;
        let (mut unrecorded, mut above) = (Vec::new(), String::new());
        loop {
            let page = fetch_all!(
                self.db().reader(),
                (String, i64),
                AssertSqlSafe(table.unrecorded_sql()),
                log,
                table.object,
                &above,
                first,
                second,
                i64::from(IDS)
            )?;
            let Some((last, _)) = page.last() else { return Ok(unrecorded) };
            above = last.clone();
            let more = page.into_iter().filter(|(_, recorded)| *recorded == 0).map(|(id, _)| id);
            unrecorded.extend(more);
            if unrecorded.len() > interlock_ledger::verify::FINDINGS_MAX {
                return Ok(unrecorded);
            }
        }
    }
}

impl Recorded {
    /// Where the entry stands.
    pub(super) fn entry_idx(&self) -> u64 {
        row::number(self.idx)
    }
}

impl<'r, R: Row> FromRow<'r, R> for Recorded
where
    usize: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            idx: row.try_get(1)?,
            entry: row.try_get(2)?,
            body: row.try_get(3)?,
            columns: (4..row.len()).map(|at| row.try_get(at)).collect::<sqlx::Result<_>>()?,
        })
    }
}

/// The text or number under a pointer, as a column holds it.
fn word(body: &Value, pointer: &str) -> Option<String> {
    match body.pointer(pointer)? {
        Value::Null => None,
        Value::String(word) => Some(text(word).into_owned()),
        other => Some(other.to_string()),
    }
}

/// A part of the subject of a plugin's decision; others have names too.
fn of_plugin(decision: &Value, pointer: &str) -> String {
    let is_plugin = decision.pointer("/subject/type").and_then(Value::as_str) == Some("plugin");
    word(decision, pointer).filter(|_| is_plugin).unwrap_or_default()
}

fn typed<T: DeserializeOwned>(body: &Value, field: &str) -> Option<T> {
    T::deserialize(body.get(field)?).ok()
}

fn is_final(change: &Value) -> Option<String> {
    typed::<State>(change, "state").map(|state| u8::from(state.is_final()).to_string())
}

/// The instant under a pointer, as a column holds it.
fn millis(body: &Value, pointer: &str) -> Option<String> {
    let at: Timestamp = body.pointer(pointer)?.as_str()?.parse().ok()?;
    Some(at.as_millis().to_string())
}

fn artifacts(change: &Value) -> Option<String> {
    let artifacts = change.pointer("/manifest/artifacts").and_then(Value::as_array);
    let pair = |artifact: &Value| {
        Some((artifact.get("name")?.as_str()?.to_owned(), artifact.get("digest")?.as_str()?.to_owned()))
    };
    let mut pairs: Vec<_> = artifacts.into_iter().flatten().filter_map(pair).collect();
    pairs.sort();
    pairs.dedup();
    let tenant = word(change, "/manifest/tenant")?;
    joined(pairs.into_iter().map(|(name, digest)| format!("{tenant} {name} {digest}")))
}

/// By what a decision is found; of one that cannot be read, nothing.
fn tags(decision: &Value) -> Option<String> {
    let decision: Decision = serde_json::from_value(decision.clone()).ok()?;
    let mut tags: Vec<String> = decision.tags().iter().map(Tag::as_text).collect();
    tags.sort();
    joined(tags.into_iter().map(|tag| format!("{} {tag}", decision.tenant)))
}

fn words(list: &Value) -> impl Iterator<Item = String> {
    let mut words: Vec<String> =
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words.into_iter()
}

/// As `string_agg` joins rows: nothing where there are none.
fn joined(words: impl Iterator<Item = String>) -> Option<String> {
    words.reduce(|all, word| all + "," + &word)
}

fn shown(value: Option<&str>) -> String {
    value.map_or("nothing".to_owned(), |value| value.chars().take(500).collect())
}
