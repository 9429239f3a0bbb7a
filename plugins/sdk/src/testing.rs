//! The host's part in native tests: evidence that a test filled in, and calls that go the way of the real ones,
//! with settings as JSON.
//!
//! ```
//! use interlock_plugin_sdk::testing::{self, Evidence};
//!
//! let evidence = Evidence::new().json("artifact", "sha256:ab", r#"{"size": 7}"#);
//! let found = evidence.during(|| interlock_plugin_sdk::evidence::fetch("artifact", "sha256:ab"));
//! assert_eq!(found.unwrap().content, br#"{"size": 7}"#);
//! assert_eq!(testing::change().artifacts.len(), 1);
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::bindings::{gate, health, plugin, strategy};
use crate::evidence::{Document, Refusal};
use crate::export::Exported;
use crate::{
    Artifact, Change, ChangeKind, Description, Directive, Fault, Gate, Group, Health, Instant, Observation,
    Plugin, Population, Progress, Query, RollbackTarget, SettingsProblem, Situation, Stage, Strategy,
    Verdict,
};

/// 2026-03-02T12:00:00Z, a Monday: a `now` for tests that do not care which.
pub const NOON: Instant = 1_772_452_800_000;

thread_local! {
    static EVIDENCE: RefCell<Evidence> = const { RefCell::new(Evidence::new()) };
    static DECLARED: RefCell<Option<&'static [&'static str]>> = const { RefCell::new(None) };
}

/// What the host of a test has to show.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    answers: BTreeMap<(String, String), Result<Document, Refusal>>,
}

impl Evidence {
    /// Nothing under any key.
    pub const fn new() -> Self {
        Self { answers: BTreeMap::new() }
    }

    /// With a JSON document under `key` of `source`.
    #[must_use]
    pub fn json(self, source: &str, key: &str, document: impl ToString) -> Self {
        let content = document.to_string().into_bytes();
        let digest = digest(&content);
        let media_type = "application/json".into();
        self.answer(source, key, Ok(Document { media_type, content, digest, fetched_at: NOON }))
    }

    /// With a refusal under `key` of `source`.
    #[must_use]
    pub fn refusing(self, source: &str, key: &str, refusal: Refusal) -> Self {
        self.answer(source, key, Err(refusal))
    }

    /// Runs `plugin` with this evidence, on this thread only.
    pub fn during<R>(self, plugin: impl FnOnce() -> R) -> R {
        let before = EVIDENCE.with(|evidence| evidence.replace(self));
        let result = plugin();
        EVIDENCE.with(|evidence| evidence.replace(before));
        result
    }

    fn answer(mut self, source: &str, key: &str, answer: Result<Document, Refusal>) -> Self {
        self.answers.insert((source.into(), key.into()), answer);
        self
    }
}

pub(crate) fn fetch(source: &str, key: &str) -> Result<Document, Refusal> {
    if DECLARED.with(|declared| declared.borrow().is_some_and(|sources| !sources.contains(&source))) {
        return Err(Refusal::Denied(format!("`{source}` is not among the declared evidence sources")));
    }
    EVIDENCE.with(|evidence| {
        evidence.borrow().answers.get(&(source.into(), key.into())).cloned().unwrap_or(Err(Refusal::NotFound))
    })
}

/// What plugin `T` says of itself.
pub fn describe<T: Plugin>() -> Description {
    <Exported<T> as plugin::Guest>::describe()
}

/// What plugin `T` says against `settings`.
pub fn check_settings<T: Plugin>(settings: impl ToString) -> Vec<SettingsProblem> {
    <Exported<T> as plugin::Guest>::check_settings(settings.to_string())
}

/// Calls a gate.
pub fn evaluate<T: Gate>(change: &Change, settings: impl ToString, now: Instant) -> Result<Verdict, Fault> {
    limited::<T, _>(|| <Exported<T> as gate::Guest>::evaluate(change.clone(), settings.to_string(), now))
}

/// Asks a health check what to measure.
pub fn needs<T: Health>(change: &Change, settings: impl ToString) -> Result<Vec<Query>, Fault> {
    limited::<T, _>(|| <Exported<T> as health::Guest>::needs(change.clone(), settings.to_string()))
}

/// Calls a health check.
pub fn judge<T: Health>(
    observations: &[Observation],
    settings: impl ToString,
    now: Instant,
) -> Result<Verdict, Fault> {
    limited::<T, _>(|| {
        <Exported<T> as health::Guest>::judge(observations.to_vec(), settings.to_string(), now)
    })
}

/// Asks a strategy for its plan.
pub fn plan<T: Strategy>(change: &Change, settings: impl ToString) -> Result<Vec<Stage>, Fault> {
    let (change, population) = (change.clone(), change.population.clone());
    limited::<T, _>(|| <Exported<T> as strategy::Guest>::plan(change, population, settings.to_string()))
}

/// Asks a strategy what to do next.
pub fn advance<T: Strategy>(situation: &Situation) -> Result<Directive, Fault> {
    limited::<T, _>(|| <Exported<T> as strategy::Guest>::advance(situation.clone()))
}

/// A release of `pump-firmware` 2.1.0 to 200 pumps at two sites that run 2.0.0.
pub fn change() -> Change {
    Change {
        id: "chg_1".into(),
        tenant: "acme".into(),
        environment: "production".into(),
        kind: ChangeKind::Release,
        digest: digest(b"manifest"),
        title: "Pump firmware 2.1.0".into(),
        author: "ana".into(),
        proposed_at: NOON,
        artifacts: vec![Artifact {
            name: "pump-firmware".into(),
            version: "2.1.0".into(),
            digest: digest(b"pump-firmware 2.1.0"),
            size_bytes: 1 << 20,
        }],
        population: Population {
            size: 200,
            digest: digest(b"population"),
            groups: vec![Group { name: "north".into(), size: 120 }, Group { name: "south".into(), size: 80 }],
        },
        rollback: vec![RollbackTarget {
            version: "2.0.0".into(),
            artifact: Some(digest(b"pump-firmware 2.0.0")),
            targets: 200,
        }],
        manifest: "{}".into(),
    }
}

/// Strategy `T`'s plan for [`change`], before the first stage and at [`NOON`].
pub fn situation<T: Strategy>(settings: impl ToString) -> Result<Situation, Fault> {
    let (change, settings) = (change(), settings.to_string());
    Ok(Situation {
        plan: plan::<T>(&change, &settings)?,
        change,
        settings,
        now: NOON,
        stage: None,
        entered_at: None,
        settled_at: None,
        progress: Progress {
            pending: 0,
            offered: 0,
            downloading: 0,
            installing: 0,
            installed: 0,
            verified: 0,
            failed: 0,
            silent: 0,
            rolled_back: 0,
        },
        health: Vec::new(),
        promoted: false,
    })
}

/// The last JSON block of a README: the example of a plugin's settings, so that a test can hold it to the truth.
pub fn readme_example(readme: &str) -> &str {
    let block = readme.rsplit_once("```json\n").map_or("", |(_, rest)| rest);
    block.split_once("```").map_or(block, |(json, _)| json)
}

/// `sha256:<hex>` of `content`.
pub fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Runs `call` with only the evidence sources that `T` declares, as the host does.
fn limited<T: Plugin, R>(call: impl FnOnce() -> R) -> R {
    let before = DECLARED.with(|declared| declared.replace(Some(T::EVIDENCE)));
    let result = call();
    DECLARED.with(|declared| declared.replace(before));
    result
}
