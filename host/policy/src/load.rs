//! From files to a bundle: parse, lint, validate, bucket. Every fault of a step is reported, not only the first.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Authorizer, Policy, PolicyId, PolicySet, PrincipalConstraint, Schema, ValidationMode,
    Validator,
};
use interlock_domain::{Action, Determining, Effect, Environment};
use interlock_ledger::Digest;
use miette::Diagnostic;
use serde::Deserialize;

use crate::{
    Bundle, BundleError, Fault, Limits,
    bucket::{self, Annotated, Mode},
    cases,
    files::{self, APPROVALS, HEADER, Kind, SCHEMA},
    invariants, profiles,
    source::{fault, offset, sentence, statements},
    words::WORDS,
};

/// Something that cannot happen with a validated bundle. It is reported, and the bundle refused, all the same.
pub(crate) type Defect = Box<dyn std::error::Error + Send + Sync>;

/// Attributes of entities that the question names may be used, attributes of what those name may not: so a question
/// always carries all that its policies read.
const LEVEL: u32 = 1;

/// The annotations that mean something to Interlock or to its readers. A misspelt `@mode` would otherwise enforce a
/// permit that was only to be watched.
const ANNOTATIONS: [&str; 9] =
    ["id", "reason", "mode", "advice", "requirement", "severity", "owner", "waiver", "allow"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    revision: u64,
    #[serde(default)]
    unguarded: BTreeSet<Environment>,
}

/// A policy with the place where it was found.
pub(crate) struct Placed<'a> {
    pub(crate) annotated: Annotated,
    pub(crate) file: &'a str,
    pub(crate) content: &'a str,
    pub(crate) offset: usize,
}

impl Placed<'_> {
    /// Something that is wrong with it.
    pub(crate) fn fault(&self, text: impl Into<String>) -> Fault {
        fault(self.file, self.content, self.offset, text)
    }
}

pub(crate) fn load(files: &BTreeMap<String, Vec<u8>>, limits: &Limits) -> Result<Bundle, BundleError> {
    files::check(files, limits)?;
    let texts = texts(files)?;

    let mut faults = Vec::new();
    let header = header(texts[HEADER]).map_err(|fault| faults.push(fault)).ok();
    let schema = schema(texts[SCHEMA], &mut faults);
    let profiles = texts
        .get(APPROVALS)
        .and_then(|text| profiles::parse(text).map_err(|found| faults.extend(found)).ok());
    let policies = self::policies(&texts, Kind::Policies, limits, &mut faults)?;
    let invariants = self::policies(&texts, Kind::Invariants, limits, &mut faults)?;
    invariants::check(&invariants, &mut faults);
    let mut cases = Vec::new();
    for (path, text) in &texts {
        if files::kind(path)? == Kind::Cases {
            cases.extend(cases::parse(path, text).map_err(|fault| faults.push(fault)).ok());
        }
    }
    // Also when a file is broken: whoever mends it wants to hear of everything at once.
    if let Some(schema) = &schema {
        validate(schema, &policies, texts[SCHEMA], &mut faults);
        validate_policies(schema, &invariants, texts[SCHEMA], &mut faults);
    }
    let (Some(header), Some(schema), true) = (header, schema, faults.is_empty()) else {
        return Err(faulty(faults));
    };

    let defect = |defect: Defect| faulty(vec![fault(SCHEMA, "", 0, defect.to_string())]);
    let policies: Vec<Annotated> = policies.into_iter().map(|placed| placed.annotated).collect();
    let (buckets, notes) = bucket::fill(&schema, &policies, profiles.is_some()).map_err(defect)?;
    Ok(Bundle {
        digest: digest(files).map_err(defect)?,
        name: header.name,
        revision: header.revision,
        unguarded: header.unguarded,
        profiles,
        invariants: invariants::of(&schema, invariants).map_err(defect)?,
        schema,
        buckets,
        notes,
        cases,
        authorizer: Authorizer::new(),
    })
}

pub(crate) fn faulty(mut faults: Vec<Fault>) -> BundleError {
    faults.sort();
    BundleError::Faulty { faults }
}

pub(crate) fn digest(files: &BTreeMap<String, Vec<u8>>) -> Result<Digest, Defect> {
    let listed: BTreeMap<&str, Digest> =
        files.iter().map(|(path, content)| (path.as_str(), Digest::of(content))).collect();
    Ok(Digest::of_canonical(&listed)?)
}

pub(crate) fn texts(files: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<&str, &str>, BundleError> {
    let mut texts = BTreeMap::new();
    let mut faults = Vec::new();
    for (path, content) in files {
        match std::str::from_utf8(content) {
            Ok(text) => _ = texts.insert(path.as_str(), text),
            Err(error) => {
                let sound = String::from_utf8_lossy(&content[..error.valid_up_to()]);
                faults.push(fault(path, &sound, sound.len(), "this is not UTF-8; save the file as UTF-8"));
            }
        }
    }
    if faults.is_empty() { Ok(texts) } else { Err(faulty(faults)) }
}

fn header(text: &str) -> Result<Header, Fault> {
    let header: Header = toml::from_str(text)
        .map_err(|error| fault(HEADER, text, error.span().map_or(0, |span| span.start), error.message()))?;
    called(HEADER, text, &header.name, header.revision)?;
    Ok(header)
}

/// Checks what a bundle or an application is called and how often it was edited.
pub(crate) fn called(file: &str, text: &str, name: &str, revision: u64) -> Result<(), Fault> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 63 || !name.bytes().all(plain) {
        return Err(fault(file, text, 0, "`name` must be 1 to 63 of a-z, 0-9 and -"));
    }
    // Whatever is hashed must be a number that every JSON reader keeps.
    if revision >= 1 << 53 {
        return Err(fault(file, text, 0, "`revision` must be below 2^53"));
    }
    Ok(())
}

pub(crate) fn schema(text: &str, faults: &mut Vec<Fault>) -> Option<Schema> {
    let mut note = |diagnostic: &dyn Diagnostic| {
        faults.push(fault(SCHEMA, text, offset(diagnostic), sentence(diagnostic)));
    };
    match Schema::from_cedarschema_str(text) {
        Ok((schema, warnings)) => {
            warnings.for_each(|warning| note(&warning));
            Some(schema)
        }
        Err(error) => {
            note(&error);
            None
        }
    }
}

pub(crate) fn policies<'a>(
    texts: &BTreeMap<&'a str, &'a str>,
    of: Kind,
    limits: &Limits,
    faults: &mut Vec<Fault>,
) -> Result<Vec<Placed<'a>>, BundleError> {
    let mut policies: Vec<Placed<'a>> = Vec::new();
    let mut first_of: BTreeMap<String, String> = BTreeMap::new();
    let mut found = 0;
    for (&file, &content) in texts {
        if files::kind(file)? != of {
            continue;
        }
        for statement in statements(content) {
            found += 1;
            if found > limits.policies_max {
                let limit = limits.policies_max as u64;
                return Err(BundleError::TooLarge {
                    subject: "the bundle".to_owned(),
                    unit: "policies",
                    limit,
                    setting: "policies_max",
                });
            }
            let here = |text: String| fault(file, content, statement.offset, text);
            match Policy::parse(None, statement.text) {
                Err(error) => {
                    let at = statement.offset + offset(&error);
                    faults.push(fault(file, content, at, sentence(&error)));
                }
                Ok(policy) => match annotated(policy) {
                    Err(problems) => faults.extend(problems.into_iter().map(here)),
                    Ok(annotated) => {
                        let id = &annotated.note.id;
                        let place = here(String::new());
                        let place = format!("{}:{}", place.file, place.line);
                        if let Some(first) = first_of.insert(id.clone(), place) {
                            faults.push(here(format!(
                                "`@id` `{id}` is already taken at {first}; give each policy its own"
                            )));
                        } else {
                            policies.push(Placed { annotated, file, content, offset: statement.offset });
                        }
                    }
                },
            }
        }
    }
    Ok(policies)
}

/// Reads the annotations of a policy; or says everything that is wrong with them.
fn annotated(policy: Policy) -> Result<Annotated, Vec<String>> {
    let mut problems = Vec::new();
    for (name, _) in policy.annotations() {
        if !ANNOTATIONS.contains(&name) {
            problems.push(format!(
                "`@{name}` means nothing here; the annotations are @{}",
                ANNOTATIONS.join(", @")
            ));
        }
    }
    let id = policy.annotation("id").unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
    if id.is_empty() {
        problems.push("this policy has no `@id`; give it one, such as @id(\"rbac.viewer\")".to_owned());
    } else if id.len() > 128 || !id.bytes().all(plain) {
        problems.push("`@id` must be 1 to 128 of a-z, A-Z, 0-9, ., -, _ and /".to_owned());
    }
    let reason = policy.annotation("reason").unwrap_or_default().trim();
    if reason.is_empty() {
        problems.push(
            "this policy has no `@reason`; say in a sentence why it decides so, and what to do next"
                .to_owned(),
        );
    } else if reason.len() > 500 {
        problems.push("`@reason` must have at most 500 bytes".to_owned());
    }
    let mode = match policy.annotation("mode") {
        None | Some("enforce") => Mode::Enforce,
        Some("monitor") => Mode::Monitor,
        Some(other) => {
            problems.push(format!("`@mode` is `{other}`; it must be `enforce` or `monitor`"));
            Mode::Enforce
        }
    };
    let effect = bucket::effect(&policy);
    if effect == Effect::Permit
        && policy.principal_constraint() == PrincipalConstraint::Any
        && policy.action_constraint() == ActionConstraint::Any
        && policy.annotation("waiver").unwrap_or_default().trim().is_empty()
        && !waivers(&policy).any(|(lint, why)| lint == PERMIT_EVERYBODY && !why.is_empty())
    {
        problems.push(
            "this permits every principal every action; name one of them in the scope, or add @allow(\"permit-everybody: why\")"
                .to_owned(),
        );
    }
    let note = Determining { id: id.to_owned(), reason: reason.to_owned(), effect };
    let policy = policy.new_id(PolicyId::new(id));
    if problems.is_empty() { Ok(Annotated { policy, mode, note }) } else { Err(problems) }
}

/// The lint that a bundle is refused for when nobody says why it may be so.
const PERMIT_EVERYBODY: &str = "permit-everybody";

/// What `@allow("lint: why; lint: why")` waives, with the reasons.
pub fn waivers(policy: &Policy) -> impl Iterator<Item = (&str, &str)> {
    let parts = policy.annotation("allow").unwrap_or_default().split(';').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(|part| {
        let (lint, why) = part.split_once(':').unwrap_or((part, ""));
        (lint.trim(), why.trim())
    })
}

/// Strict validation with warnings fatal, and the actions that the host will ask about.
fn validate(schema: &Schema, policies: &[Placed<'_>], schema_text: &str, faults: &mut Vec<Fault>) {
    for &action in Action::ALL {
        if !schema.actions().any(|declared| declared == WORDS.action(action)) {
            let text = format!("action `{action}` is not declared, and the host asks about it; add it");
            faults.push(fault(SCHEMA, schema_text, 0, text));
        }
    }
    validate_policies(schema, policies, schema_text, faults);
}

/// Strict validation with warnings fatal.
pub(crate) fn validate_policies(
    schema: &Schema,
    policies: &[Placed<'_>],
    schema_text: &str,
    faults: &mut Vec<Fault>,
) {
    let places: BTreeMap<&str, &Placed<'_>> =
        policies.iter().map(|placed| (placed.annotated.note.id.as_str(), placed)).collect();
    let mut note = |id: &PolicyId, diagnostic: &dyn Diagnostic| {
        if let Some(placed) = places.get(AsRef::<str>::as_ref(id)) {
            let at = placed.offset + offset(diagnostic);
            faults.push(fault(placed.file, placed.content, at, sentence(diagnostic)));
        }
    };
    let set = match PolicySet::from_policies(policies.iter().map(|placed| placed.annotated.policy.clone())) {
        Ok(set) => set,
        Err(error) => return faults.push(fault(SCHEMA, schema_text, 0, sentence(&error))),
    };
    let result = Validator::new(schema.clone()).validate_with_level(&set, ValidationMode::Strict, LEVEL);
    result.validation_errors().for_each(|error| note(error.policy_id(), error));
    result.validation_warnings().for_each(|warning| note(warning.policy_id(), warning));
}
