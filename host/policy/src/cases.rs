//! Cases: questions with the answers that a bundle's authors expect, in `cases/*.json`.
//!
//! ```json
//! [{
//!   "name": "a release waits for regulatory",
//!   "person": "ana", "roles": ["release_manager@production"],
//!   "action": "AdmitChange",
//!   "resource": { "type": "change", "environment": "production", "kind": "release", "author": "ana" },
//!   "facts": { "approvals": [{ "person": "cleo", "roles": ["clinical_safety"], "at": "2026-11-20T09:00:00.000Z" }] },
//!   "candidates": { "rhea": ["regulatory"] },
//!   "expect": {
//!     "decision": "deny",
//!     "policies": ["approvals.guarded-regulatory", "approvals.guarded-two-people"],
//!     "missing": [["regulatory"]]
//!   }
//! }]
//! ```
//!
//! Names of people stand for made-up ids. What a case leaves out is the friendliest value: tenant `acme`, gates
//! passed, signature verified, a way back, health good; `now` is 2026-11-20 at noon, UTC.

use std::collections::{BTreeMap, BTreeSet};

use interlock_domain::{
    AccountKind, Action, Actor, AdmissionFacts, ApprovalFacts, ChangeKind, Environment, Facts, Given,
    Outcome, Principal, Question, Resource, Role, RoleGrant, SignatureOutcome, SigningHold, TenantId,
    Timestamp,
};
use interlock_ledger::{Digest, parse_strict};
use serde::{Deserialize, Serialize};

use crate::{Bundle, Candidate, Fault, Missing, SearchLimit, missing_approvals, source::fault};

/// 2026-11-20T12:00:00.000Z
const NOON_MS: i64 = 1_795_176_000_000;

/// One file of cases.
#[derive(Debug)]
pub(crate) struct CaseFile {
    path: String,
    cases: Vec<Case>,
}

/// How one case came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The file in the bundle.
    pub file: String,
    /// The case.
    pub name: String,
    /// What differs from the expectation; nothing when it holds.
    pub differences: Vec<String>,
    /// The policies that decided it, or would have if they were not only watching; sorted.
    pub decided: Vec<String>,
}

impl CaseResult {
    /// True when the bundle answers as expected.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Asks every case of the bundle.
pub fn run_cases(bundle: &Bundle) -> Vec<CaseResult> {
    let run = |file: &CaseFile, case: &Case| {
        let (differences, decided) = case.run(bundle).unwrap_or_else(|problem| (vec![problem], Vec::new()));
        CaseResult { file: file.path.clone(), name: case.name.clone(), differences, decided }
    };
    bundle.cases.iter().flat_map(|file| file.cases.iter().map(move |case| run(file, case))).collect()
}

/// The question of one case, written as in `cases/*.json`; `expect` and `name` may be left out.
pub fn question_of(case: serde_json::Value) -> Result<Question, String> {
    let mut case = case;
    if let Some(fields) = case.as_object_mut() {
        fields.entry("name").or_insert_with(|| "question".into());
        fields.entry("expect").or_insert_with(|| serde_json::json!({ "decision": "deny" }));
    }
    serde_json::from_value::<Case>(case).map_err(|error| error.to_string())?.question()
}

/// Reads a file of cases.
pub(crate) fn parse(path: &str, text: &str) -> Result<CaseFile, Fault> {
    // Strictly first: of two equal keys, one would win without a word.
    parse_strict(text.as_bytes()).map_err(|error| fault(path, text, 0, error.to_string()))?;
    let cases: Vec<Case> = serde_json::from_str(text).map_err(|error| {
        let line_start =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        fault(path, text, line_start + error.column().saturating_sub(1), error.to_string())
    })?;
    for case in &cases {
        case.question()
            .map_err(|problem| fault(path, text, 0, format!("case `{}`: {problem}", case.name)))?;
    }
    Ok(CaseFile { path: path.to_owned(), cases })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Who asks; or else `plugin`.
    person: Option<String>,
    plugin: Option<String>,
    /// What the roster grants to the plugin.
    #[serde(default)]
    granted: BTreeSet<String>,
    #[serde(default = "user")]
    kind: AccountKind,
    #[serde(default = "acme")]
    tenant: TenantId,
    /// `role` or `role@environment`.
    #[serde(default)]
    roles: Vec<String>,
    /// Whether the account waits for a second administrator.
    #[serde(default)]
    on_hold: bool,
    action: Action,
    resource: CaseResource,
    facts: Option<CaseFacts>,
    now: Option<Timestamp>,
    /// Who could approve, with their roles. Only looked at when `expect.missing` is there.
    #[serde(default)]
    candidates: BTreeMap<String, Vec<String>>,
    expect: Expectation,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum CaseResource {
    Tenant {
        #[serde(default = "acme")]
        tenant: TenantId,
    },
    Environment {
        #[serde(default = "acme")]
        tenant: TenantId,
        environment: Environment,
        /// `release` for `ProposeChange`, else absent: a device is of no kind of change.
        kind: Option<ChangeKind>,
    },
    Change {
        #[serde(default = "acme")]
        tenant: TenantId,
        environment: Environment,
        #[serde(default = "release")]
        kind: ChangeKind,
        author: String,
        #[serde(default)]
        paused_by_safety: bool,
        #[serde(default)]
        back_weakens: bool,
    },
    Ledger {
        #[serde(default = "acme")]
        tenant: TenantId,
    },
    EvidenceSource {
        #[serde(default = "acme")]
        tenant: TenantId,
        name: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseFacts {
    approvals: Vec<CaseApproval>,
    /// Since when they could be given.
    since: Option<Timestamp>,
    /// Whether two persons broke the glass, and its time is not over.
    broken_glass: bool,
    gates_passed: u32,
    gates_warned: u32,
    gates_failed: u32,
    gates_holding: u32,
    gates_missing: u32,
    signature: SignatureOutcome,
    rollback_complete: bool,
    weakens: bool,
    exposure_bp: u32,
    stage: u32,
    health: Outcome,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseApproval {
    person: String,
    roles: Vec<Role>,
    at: Timestamp,
    /// Whether it carries an electronic signature.
    #[serde(default)]
    signed: bool,
    /// The one stage that it is for.
    stage: Option<u32>,
    /// Whose roles they are, where somebody approves under a delegation.
    on_behalf_of: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    decision: ExpectedDecision,
    /// The ids of exactly the policies that decide, in any order.
    policies: Option<Vec<String>>,
    /// The role profiles of the first smallest set; empty when no set of approvals helps.
    missing: Option<Vec<Vec<Role>>>,
    /// The levels of the approval profile that are not complete, in order.
    levels: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExpectedDecision {
    Allow,
    Deny,
}

impl Default for CaseFacts {
    fn default() -> Self {
        Self {
            approvals: Vec::new(),
            since: None,
            broken_glass: false,
            gates_passed: 1,
            gates_warned: 0,
            gates_failed: 0,
            gates_holding: 0,
            gates_missing: 0,
            signature: SignatureOutcome::Verified,
            rollback_complete: true,
            weakens: false,
            exposure_bp: 0,
            stage: 0,
            health: Outcome::Pass,
        }
    }
}

impl Case {
    /// What differs, and who decided.
    fn run(&self, bundle: &Bundle) -> Result<(Vec<String>, Vec<String>), String> {
        let question = self.question()?;
        let answer = bundle.ask(&question);
        let mut differences = answer.errors.clone();
        if answer.allowed != (self.expect.decision == ExpectedDecision::Allow) {
            let said = if answer.allowed { "it is allowed".to_owned() } else { answer.reasons().join("; ") };
            differences.push(format!("expected {:?}, but {said}", self.expect.decision).to_lowercase());
        }
        if let Some(expected) = &self.expect.policies {
            let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            expected.sort_unstable();
            let decided: Vec<&str> = answer.determining.iter().map(|policy| policy.id.as_str()).collect();
            if decided != expected {
                differences.push(format!("expected {expected:?} to decide, but {decided:?} did"));
            }
        }
        if let Some(expected) = &self.expect.missing {
            let missing = missing_approvals(bundle, &question, &self.candidates()?, SearchLimit::default());
            let found: Vec<Vec<Role>> = match &missing {
                Missing::Approvals { needs, .. } => needs.iter().map(|need| need.roles.clone()).collect(),
                Missing::AlreadyAllowed | Missing::NotByApprovals { .. } | Missing::SearchExceeded { .. } => {
                    Vec::new()
                }
            };
            if found != *expected {
                differences
                    .push(format!("expected the missing approvals {expected:?}, but found {missing:?}"));
            }
        }
        if let Some(expected) = &self.expect.levels {
            let found = bundle.missing_levels(&question).unwrap_or_default();
            if found != *expected {
                differences
                    .push(format!("expected the levels {expected:?} to be missing, but {found:?} are"));
            }
        }
        let mut decided: Vec<String> =
            answer.determining.into_iter().chain(answer.monitored).map(|policy| policy.id).collect();
        decided.sort();
        Ok((differences, decided))
    }

    fn question(&self) -> Result<Question, String> {
        let principal = match (&self.person, &self.plugin) {
            (Some(person), None) => {
                let mut actor = actor(&self.tenant, person, self.kind, &self.roles)?;
                if self.on_hold {
                    let by = made_up("per", "whoever handed it out")?;
                    actor.hold =
                        Some(SigningHold { by, until: Timestamp::from_millis(NOON_MS), confirmed_by: None });
                }
                Principal::Actor(actor)
            }
            (None, Some(name)) => Principal::Plugin {
                tenant: self.tenant.clone(),
                name: name.clone(),
                digest: Digest::of(name),
                granted: self.granted.clone(),
            },
            _ => return Err("give either `person` or `plugin`".to_owned()),
        };
        let now = self.now.unwrap_or(Timestamp::from_millis(NOON_MS));
        let facts =
            self.facts.as_ref().map_or(Ok(Facts::None), |facts| facts.facts(now).map(Facts::Admission))?;
        Ok(Question {
            principal,
            action: self.action,
            resource: self.resource.resource(self.action)?,
            facts,
            now,
            freshness: None,
        })
    }

    /// The candidates; who has approved already may do so anew.
    fn candidates(&self) -> Result<Vec<Candidate>, String> {
        self.candidates
            .iter()
            .map(|(name, roles)| {
                let given = self
                    .facts
                    .iter()
                    .flat_map(|facts| &facts.approvals)
                    .filter(|given| given.person == *name);
                Ok(Candidate {
                    actor: actor(&self.tenant, name, AccountKind::User, roles)?,
                    approved_at: given.map(|given| given.at).max(),
                    on_behalf_of: None,
                })
            })
            .collect()
    }
}

impl CaseResource {
    fn resource(&self, action: Action) -> Result<Resource, String> {
        Ok(match self {
            CaseResource::Tenant { tenant } => Resource::Tenant { tenant: tenant.clone() },
            CaseResource::Environment { tenant, environment, kind } => Resource::Environment {
                tenant: tenant.clone(),
                environment: environment.clone(),
                change_kind: kind.or((action == Action::ProposeChange).then(release)),
            },
            CaseResource::Change { tenant, environment, kind, author, paused_by_safety, back_weakens } => {
                Resource::Change {
                    id: made_up("chg", "case")?,
                    tenant: tenant.clone(),
                    environment: environment.clone(),
                    change_kind: *kind,
                    author: made_up("per", author)?,
                    paused_by_safety: *paused_by_safety,
                    back_weakens: *back_weakens,
                }
            }
            CaseResource::Ledger { tenant } => Resource::Ledger { tenant: tenant.clone() },
            CaseResource::EvidenceSource { tenant, name } => {
                Resource::EvidenceSource { tenant: tenant.clone(), name: name.clone() }
            }
        })
    }
}

impl CaseFacts {
    fn facts(&self, now: Timestamp) -> Result<Box<AdmissionFacts>, String> {
        let mut approvals = ApprovalFacts::none();
        approvals.since = self.since;
        approvals.glass_until = self.broken_glass.then(|| now.plus_millis(1));
        for given in &self.approvals {
            approvals = approvals.with_given(Given {
                person: made_up("per", &given.person)?,
                roles: given.roles.clone(),
                at: given.at,
                signed: given.signed,
                stage: given.stage,
                on_behalf_of: given.on_behalf_of.as_deref().map(|whose| made_up("per", whose)).transpose()?,
            });
        }
        Ok(Box::new(AdmissionFacts {
            approvals,
            gates_passed: self.gates_passed,
            gates_warned: self.gates_warned,
            gates_failed: self.gates_failed,
            gates_holding: self.gates_holding,
            gates_missing: self.gates_missing,
            signature: self.signature,
            rollback_complete: self.rollback_complete,
            weakens: self.weakens,
            exposure_bp: self.exposure_bp,
            stage: self.stage,
            health: self.health,
        }))
    }
}

fn actor(tenant: &TenantId, name: &str, kind: AccountKind, roles: &[String]) -> Result<Actor, String> {
    Ok(Actor {
        tenant: tenant.clone(),
        account: made_up("acc", name)?,
        person: made_up("per", name)?,
        name: name.to_owned(),
        kind,
        roles: roles.iter().map(|grant| role_grant(grant)).collect::<Result<_, _>>()?,
        auth: "case".to_owned(),
        hold: None,
    })
}

fn role_grant(text: &str) -> Result<RoleGrant, String> {
    let (role, environment) = match text.split_once('@') {
        Some((role, environment)) => (role, Some(environment)),
        None => (text, None),
    };
    let environment = environment.map(str::parse).transpose().map_err(|error| format!("{error}"))?;
    Ok(RoleGrant { role: role.parse().map_err(|error| format!("{error}"))?, environment })
}

/// The id that stands for a name in cases: always the same.
fn made_up<T: std::str::FromStr<Err: std::fmt::Display>>(prefix: &str, name: &str) -> Result<T, String> {
    let hex = Digest::of(name).to_hex();
    format!("{prefix}_{}", &hex[..32]).parse().map_err(|error| format!("{error}"))
}

fn user() -> AccountKind {
    AccountKind::User
}

fn release() -> ChangeKind {
    ChangeKind::Release
}

fn acme() -> TenantId {
    #[expect(clippy::expect_used, reason = "a literal, which every case touches")]
    "acme".parse().expect("a literal name parses")
}
