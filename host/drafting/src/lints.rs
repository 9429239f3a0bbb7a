//! Rules beyond what a server refuses: each with a name, and each can be waived in the policy that breaks it, with a
//! reason: `@allow("permit-everybody: anybody may read the time")`.

use std::collections::{BTreeMap, HashMap};

use interlock_policy::{Written, body, clause, waivers, written};
use serde_json::Value;

use crate::Finding;

/// Every rule by name, with what it is about. `bundle` stands for everything that a server refuses.
pub const LINTS: &[(&str, &str)] = &[
    ("bundle", "a server would refuse this bundle; cannot be waived"),
    ("permit-everybody", "a `permit` that asks nothing of who it is"),
    (
        "forbid-can-error",
        "a `forbid` that calculates: an overflow is an error, and an error denies everything",
    ),
    ("optional-without-has", "an attribute that may be absent is read without `has`; cannot be waived"),
    ("approval-without-age", "approvals are counted for an action, and no `forbid` there bounds their age"),
    ("never-matches", "no question can ever match this policy; cannot be waived"),
    (
        "unused-template",
        "a bundle has no links, so a template with `?principal` does nothing; cannot be waived",
    ),
    (
        "profile-without-expiry",
        "an approval profile that does not say how long a change may wait, or how long an approval lasts; cannot be waived",
    ),
    (
        "level-nobody-can-fill",
        "a level of an approval profile that no role of it may approve for; cannot be waived",
    ),
    ("duplicate-body", "two policies say the same"),
    ("denies-everything", "there is no policy at all; cannot be waived"),
    ("unknown-waiver", "`@allow` names no rule that can be waived, or gives no reason"),
    ("unused-waiver", "`@allow` waives what is not there"),
];

/// Those that a policy may waive.
const WAIVABLE: [&str; 4] =
    ["permit-everybody", "forbid-can-error", "approval-without-age", "duplicate-body"];

/// The name for what Cedar's validator says; it has no codes of its own.
pub(crate) fn named(text: &str) -> &'static str {
    if text.contains("policy is impossible") || text.contains("unable to find an applicable action") {
        "never-matches"
    } else if text.contains("optional attribute") {
        "optional-without-has"
    } else if text.contains("template") {
        "unused-template"
    } else if text.contains("permits every principal every action") {
        "permit-everybody"
    } else {
        "bundle"
    }
}

/// A policy with its parts.
struct Looked<'a> {
    written: &'a Written,
    json: Value,
}

/// What breaks a rule and is not waived, and waivers that waive nothing.
pub(crate) fn findings(files: &BTreeMap<String, Vec<u8>>) -> Vec<Finding> {
    let all = written(files);
    let looked: Vec<Looked<'_>> =
        all.iter().map(|written| Looked { written, json: clause::json_of(&written.policy) }).collect();
    let dated = Dated::by(&looked);
    let mut bodies: HashMap<String, &Written> = HashMap::new();
    let mut findings = Vec::new();
    for each in &looked {
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        broken.extend(each.permits_everybody().map(|text| ("permit-everybody", text)));
        broken.extend(each.can_error().map(|text| ("forbid-can-error", text)));
        broken.extend(each.without_age(&dated).map(|text| ("approval-without-age", text)));
        let body = format!("{} {}", each.written.monitored(), body(&each.written.policy));
        match bodies.get(&body) {
            None => _ = bodies.insert(body, each.written),
            Some(first) => broken.push((
                "duplicate-body",
                format!(
                    "this says the same as `{}` at {}:{}; keep one of them",
                    first.id, first.file, first.line
                ),
            )),
        }
        findings.extend(each.unless_waived(broken));
    }
    findings
}

impl Looked<'_> {
    fn finding(&self, lint: &'static str, text: String) -> Finding {
        let Written { file, line, column, .. } = self.written;
        Finding { file: file.clone(), line: *line, column: *column, lint, text }
    }

    fn unless_waived(&self, broken: Vec<(&'static str, String)>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut waived = Vec::new();
        for (lint, why) in waivers(&self.written.policy) {
            if !WAIVABLE.contains(&lint) || why.is_empty() {
                let names = WAIVABLE.join(", ");
                let text = format!(
                    "`@allow` takes a rule and a reason, such as @allow(\"permit-everybody: anybody may read this\"); \
                     the rules are {names}"
                );
                findings.push(self.finding("unknown-waiver", text));
            } else if !self.breaks(lint, &broken) {
                let text = format!("nothing here breaks `{lint}`; take the waiver away");
                findings.push(self.finding("unused-waiver", text));
            } else {
                waived.push(lint);
            }
        }
        let open = broken.into_iter().filter(|(lint, _)| !waived.contains(lint));
        findings.extend(open.map(|(lint, text)| self.finding(lint, text)));
        findings
    }

    fn breaks(&self, lint: &str, broken: &[(&'static str, String)]) -> bool {
        // What a server refuses without the waiver is not among the lints.
        broken.iter().any(|(name, _)| *name == lint)
            || (lint == "permit-everybody" && self.is("permit") && self.everybody_everything())
    }

    fn is(&self, effect: &str) -> bool {
        self.json["effect"] == effect
    }

    fn reads(&self, is: &dyn Fn(&serde_json::Map<String, Value>) -> bool) -> bool {
        clause::any(&self.json["conditions"], is)
    }

    fn everybody_everything(&self) -> bool {
        self.json["principal"]["op"] == "All" && self.json["action"]["op"] == "All"
    }

    fn permits_everybody(&self) -> Option<String> {
        let asks = self.reads(&|part| part.get("Var").is_some_and(|var| var == "principal"));
        // Every action to everybody is what a server refuses by itself.
        let open = self.is("permit")
            && self.json["principal"]["op"] == "All"
            && !asks
            && !self.everybody_everything();
        open.then(|| {
            "this permits it to everybody: nothing is asked of `principal`; name a role or a type in the scope, or add \
             @allow(\"permit-everybody: why\")"
                .to_owned()
        })
    }

    fn can_error(&self) -> Option<String> {
        const CALCULATES: [(&str, &str); 5] =
            [("+", "+"), ("-", "-"), ("*", "*"), ("neg", "-"), ("offset", "offset")];
        let (_, sign) = CALCULATES.iter().find(|(key, _)| {
            self.is("forbid") && self.reads(&|part| part.len() == 1 && part.contains_key(*key))
        })?;
        Some(format!(
            "`{sign}` can overflow, and a `forbid` that errs denies everything that it is asked about; compare without \
             calculating, or have the host send the result"
        ))
    }

    fn reads_approvals(&self, names: &[&str]) -> bool {
        self.reads(&|part| {
            part.get(".").is_some_and(|access| {
                access["left"]["."]["attr"] == "approvals"
                    && access["attr"].as_str().is_some_and(|attr| names.contains(&attr))
            })
        })
    }

    fn without_age(&self, dated: &Dated) -> Option<String> {
        if !self.reads_approvals(&["distinct", "roles"]) {
            return None;
        }
        let actions = clause::actions(&self.json).unwrap_or_else(|| vec!["every action".to_owned()]);
        let open: Vec<String> = actions.into_iter().filter(|action| !dated.covers(action)).collect();
        (!open.is_empty()).then(|| {
            format!(
                "this counts approvals for {}, and nothing bounds their age there: an approval of last year would do; add a \
                 `forbid` that reads `context.approvals.oldest`",
                open.join(", ")
            )
        })
    }
}

/// The actions for which a `forbid` bounds the age of approvals.
struct Dated {
    all: bool,
    actions: Vec<String>,
}

impl Dated {
    fn by(looked: &[Looked<'_>]) -> Self {
        let bounds = looked.iter().filter(|each| {
            each.is("forbid") && !each.written.monitored() && each.reads_approvals(&["oldest"])
        });
        let scopes: Vec<Option<Vec<String>>> = bounds.map(|each| clause::actions(&each.json)).collect();
        Self { all: scopes.contains(&None), actions: scopes.into_iter().flatten().flatten().collect() }
    }

    fn covers(&self, action: &str) -> bool {
        self.all || self.actions.iter().any(|dated| dated == action)
    }
}
