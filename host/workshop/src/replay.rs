//! A recorded decision, put to any version of the plugin.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use interlock_ledger::Digest;
use interlock_sandbox::types::{Request, Response};
use interlock_sandbox::{Call, EvidenceAnswer, EvidenceLookup, EvidenceSource, Plugin, Refusal, Transcript};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Altered, Answer, Difference};
use crate::evidence::Shown;
use crate::recorded::Recorded;
use crate::report::Cost;

/// How the sandbox refuses what a plugin did not declare. Another version may declare it, and then the record does not know.
const UNDECLARED: &str = "is not among the evidence sources that this plugin declares";
/// Errors that depend on limits, which may be others on the server.
const BY_LIMITS: [&str; 9] = [
    "out-of-fuel",
    "memory-exceeded",
    "table-exceeded",
    "stack-overflow",
    "host-calls-exceeded",
    "log-exceeded",
    "evidence-exceeded",
    "output-too-large",
    "timed-out",
];

/// What came of putting a recorded decision to a plugin.
#[derive(Debug, Clone, Serialize)]
pub struct Replay {
    /// The decision.
    pub decision: String,
    /// The change that it was about.
    pub change: Option<String>,
    /// When it was made.
    pub at: Option<String>,
    /// What was asked.
    pub function: String,
    /// The component that decided then.
    pub recorded: Digest,
    /// The component that was asked now.
    pub asked: Digest,
    /// The answer then.
    pub before: Option<Answer>,
    /// The answer now.
    pub after: Option<Answer>,
    /// In what the two answers differ.
    pub differences: Vec<Difference>,
    /// What of a repetition by the same component with the same settings was not as recorded, to the last unit of fuel; absent
    /// where something else was asked.
    pub not_reproduced: Option<Vec<String>>,
    /// Evidence that was asked for and that neither the record nor anybody else had.
    pub not_held: Vec<Lookup>,
    /// What it took then, and now.
    pub cost: Costs,
    /// Why it could not be asked at all.
    pub impossible: Option<String>,
    /// What to keep in mind.
    pub notes: Vec<String>,
}

/// One look-up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lookup {
    /// In which source.
    pub source: String,
    /// For what.
    pub key: String,
}

/// What a call took then and now.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Costs {
    /// Then.
    pub before: Cost,
    /// Now; nothing when it was not asked.
    pub after: Cost,
}

/// Decisions whose answers changed in the same way.
#[derive(Debug, Clone, Serialize)]
pub struct Alike {
    /// In what way: `pass -> fail`, `finding artifact-too-large added`.
    pub what: Vec<String>,
    /// The decisions.
    pub decisions: Vec<String>,
}

/// What else than the record is put to a plugin.
#[derive(Debug, Clone, Default)]
pub struct Otherwise {
    /// Other settings.
    pub settings: Option<Value>,
    /// Evidence for what the record does not hold.
    pub evidence: Option<Shown>,
}

impl Replay {
    /// Whether the answer is another, or there is none where there was one.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.impossible.is_some()
            || self.word(&self.before) != self.word(&self.after)
            || !self.differences.is_empty()
    }

    /// Whether nothing that should be the same is different: a repetition by the recorded component to the last bit.
    #[must_use]
    pub fn is_reproduced(&self) -> bool {
        self.impossible.is_none() && self.not_reproduced.as_ref().is_none_or(Vec::is_empty)
    }

    /// `pass -> fail`, or `pass` when it stayed.
    #[must_use]
    pub fn outcome(&self) -> String {
        let (before, after) = (self.word(&self.before), self.word(&self.after));
        if before == after { before } else { format!("{before} -> {after}") }
    }

    fn word(&self, answer: &Option<Answer>) -> String {
        answer.as_ref().map_or_else(|| "no answer".to_owned(), Answer::word)
    }

    /// In what way the answer changed, without what is different from change to change.
    fn way(&self) -> Vec<String> {
        if let Some(reason) = &self.impossible {
            return vec![format!("not asked: {reason}")];
        }
        let mut way = Vec::new();
        if self.word(&self.before) != self.word(&self.after) {
            way.push(self.outcome());
        }
        let mut things: Vec<(Altered, String)> = self
            .differences
            .iter()
            // The outcome says these already.
            .filter(|difference| {
                difference.change == Altered::Changed || !matches!(difference.thing, "directive" | "error")
            })
            .map(|Difference { change, thing, name, .. }| {
                (*change, format!("{thing} {name} {}", change.as_str()))
            })
            .collect();
        things.sort();
        things.dedup();
        way.extend(things.into_iter().map(|(_, thing)| thing));
        way
    }
}

/// The decisions whose answers changed, those that changed alike together, the most frequent way first.
#[must_use]
pub fn alike(replays: &[Replay]) -> Vec<Alike> {
    let mut ways: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for replay in replays.iter().filter(|replay| replay.is_changed()) {
        ways.entry(replay.way()).or_default().push(replay.decision.clone());
    }
    let mut alike: Vec<Alike> = ways.into_iter().map(|(what, decisions)| Alike { what, decisions }).collect();
    alike.sort_by_key(|alike| std::cmp::Reverse(alike.decisions.len()));
    alike
}

/// Puts a recorded decision to a plugin: the recorded input, the recorded evidence, in a fresh sandbox here.
///
/// The component that decided then, asked with the settings of then, has to do exactly what is recorded. Any other is
/// compared by its answer.
pub async fn replay(plugin: &Plugin, recorded: &Recorded, otherwise: &Otherwise) -> Replay {
    let record = &recorded.record;
    let mut replay = Replay {
        decision: recorded.id.clone(),
        change: recorded.change.clone(),
        at: recorded.at.clone(),
        function: record.function.clone(),
        recorded: record.plugin,
        asked: plugin.digest(),
        before: recorded_answer(recorded),
        after: None,
        differences: Vec::new(),
        not_reproduced: None,
        not_held: Vec::new(),
        cost: Costs {
            before: cost(record.fuel, record.memory_bytes_peak, record.elapsed_us),
            ..Costs::default()
        },
        impossible: recorded.impossible(),
        notes: Vec::new(),
    };
    if let Some(kind) = recorded.kind().filter(|kind| *kind != plugin.kind()) {
        let reason =
            format!("`{}` is a question to a {kind}, and this is a {}", record.function, plugin.kind());
        replay.impossible.get_or_insert(reason);
    }
    if replay.impossible.is_some() {
        return replay;
    }
    if plugin.digest() == record.plugin && otherwise.settings.is_none() {
        let repeated = plugin.replay(record).await;
        replay.not_reproduced = Some(repeated.differences);
        if let Some(call) = repeated.call {
            replay.answered(&call);
        }
    } else {
        replay.put(plugin, recorded, otherwise).await;
    }
    replay.compared();
    replay
}

impl Replay {
    async fn put(&mut self, plugin: &Plugin, recorded: &Recorded, otherwise: &Otherwise) {
        let settings: Value = match (&otherwise.settings, serde_json::from_str(recorded.settings())) {
            (Some(settings), _) => settings.clone(),
            (None, Ok(settings)) => settings,
            (None, Err(error)) => {
                self.impossible = Some(format!("the recorded settings are no JSON: {error}"));
                return;
            }
        };
        match plugin.check_settings(&settings).await {
            Ok(problems) if problems.is_empty() => {}
            Ok(problems) => {
                self.after = Some(Answer::Refused(problems));
                return;
            }
            Err(error) => {
                self.after = Some(Answer::Error((&error).into()));
                return;
            }
        }
        // The text of the record where nothing else is wanted, so that the input is the same to the last byte.
        let text = match &otherwise.settings {
            Some(settings) => settings.to_string(),
            None => recorded.settings().to_owned(),
        };
        let request: Request = recorded.asked_with(text);
        let held = Arc::new(Held::new(&recorded.record.evidence, otherwise.evidence.clone()));
        let call = plugin.call(request, Arc::<Held>::clone(&held)).await;
        self.answered(&call);
        self.not_held = held.not_held();
    }

    fn answered(&mut self, call: &Call) {
        let Transcript { fuel, memory_bytes_peak, elapsed_us, .. } = &call.transcript;
        self.cost.after = cost(*fuel, *memory_bytes_peak, *elapsed_us);
        self.after = Answer::of(&call.outcome);
    }

    fn compared(&mut self) {
        if let (Some(before), Some(after)) = (&self.before, &self.after) {
            self.differences = before.differences(after);
        }
        let by_limits = |answer: &Option<Answer>| matches!(answer, Some(Answer::Error(error)) if BY_LIMITS.contains(&error.code.as_str()));
        if self.is_changed() && (by_limits(&self.before) || by_limits(&self.after)) {
            let note = "a limit decided here: the limits are those of a server that sets none, and the server's own \
                        (`[plugins.limits]`) may be others";
            self.notes.push(note.to_owned());
        }
    }
}

const fn cost(fuel: u64, memory_bytes_peak: u64, elapsed_us: u64) -> Cost {
    Cost { fuel, memory_bytes_peak, elapsed_us }
}

fn recorded_answer(recorded: &Recorded) -> Option<Answer> {
    let record = &recorded.record;
    match (&record.error, &record.output) {
        (Some(error), _) => Some(Answer::Error(error.clone())),
        (None, Some(output)) => Response::deserialize(output).ok().and_then(Answer::of_response),
        (None, None) => None,
    }
}

/// The recorded evidence, for a plugin that may ask in another order, more often, or for more.
struct Held {
    answers: Mutex<HashMap<(String, String), VecDeque<EvidenceAnswer>>>,
    besides: Option<Shown>,
    not_held: Mutex<Vec<Lookup>>,
}

impl Held {
    fn new(lookups: &[EvidenceLookup], besides: Option<Shown>) -> Self {
        let mut answers = HashMap::<_, VecDeque<_>>::new();
        for EvidenceLookup { source, key, answer } in lookups {
            let undeclared =
                matches!(answer, EvidenceAnswer::Refused(Refusal::Denied(why)) if why.ends_with(UNDECLARED));
            if !undeclared {
                answers.entry((source.clone(), key.clone())).or_default().push_back(answer.clone());
            }
        }
        Self { answers: Mutex::new(answers), besides, not_held: Mutex::default() }
    }

    fn not_held(&self) -> Vec<Lookup> {
        let mut lookups = self.not_held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        lookups.sort();
        lookups.dedup();
        lookups
    }

    /// The next recorded answer; the last one again and again.
    fn recorded(&self, source: &str, key: &str) -> Option<EvidenceAnswer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = answers.get_mut(&(source.to_owned(), key.to_owned()))?;
        if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }
    }
}

#[async_trait]
impl EvidenceSource for Held {
    async fn fetch(&self, _plugin: &str, source: &str, key: &str) -> EvidenceAnswer {
        if let Some(answer) = self.recorded(source, key) {
            return answer;
        }
        if let Some(answer) = self.besides.as_ref().and_then(|shown| shown.answer(source, key)) {
            return answer;
        }
        let lookup = Lookup { source: source.to_owned(), key: key.to_owned() };
        self.not_held.lock().unwrap_or_else(PoisonError::into_inner).push(lookup);
        let reason = format!("the record does not hold `{key}` of `{source}`: it was not asked for then");
        EvidenceAnswer::Refused(Refusal::Unavailable(reason))
    }
}
