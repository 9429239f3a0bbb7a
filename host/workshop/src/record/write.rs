//! A recorded decision as a case says it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interlock_sandbox::types::{
    Change, Directive, Finding, HealthVerdict, Observation, Query, Request, Response, Series, Situation,
    Stage, Verdict,
};
use interlock_sandbox::{Document, EvidenceAnswer, EvidenceLookup, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use serde_yaml_ng::{Mapping, Value};

use crate::answer::Answer;
use crate::compare::snake;
use crate::moment::{NOON, instant, shown};
use crate::recorded::Recorded;

/// Characters of a change's title in the name of its case.
const TITLE_CHARS_MAX: usize = 80;

/// `Pump firmware 2.1.0: fail (dec_0193…)`
pub(super) fn name(recorded: &Recorded, needs: Option<&Recorded>) -> String {
    let title = change(recorded, needs).map(|change| change.title.clone());
    let title = title.or_else(|| recorded.change.clone()).unwrap_or_else(|| recorded.plugin.clone());
    let title: String =
        title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(TITLE_CHARS_MAX).collect();
    let word = answer(recorded).map_or_else(|| recorded.record.function.clone(), |answer| answer.word());
    if recorded.id.is_empty() {
        format!("{title}: {word}")
    } else {
        format!("{title}: {word} ({})", recorded.id)
    }
}

/// All that was asked and answered, as one case.
pub(super) fn case(
    name: &str,
    recorded: &Recorded,
    needs: Option<&Recorded>,
    alone: bool,
) -> Result<Mapping, String> {
    let mut case = Mapping::new();
    let mut put = |key: &str, value: Value| drop(case.insert(key.into(), value));
    put("name", name.into());
    if alone {
        put("alone", true.into());
    }
    if let Some(change) = change(recorded, needs) {
        put("change", change_of(change)?);
    }
    let settings = settings(recorded).ok_or("its settings are no JSON")?;
    put("settings", yaml(&settings)?);
    let now = recorded.request.now();
    if let Some(now) = now {
        put("now", moment(now));
    }
    let evidence = evidence(&recorded.record.evidence, now.unwrap_or(NOON))?;
    if !evidence.is_empty() {
        put("evidence", evidence.into());
    }
    match &recorded.request {
        Request::Judge { observations, .. } => put("observations", observations_of(observations)?),
        Request::Advance { situation } => put("situation", situation_of(situation)?),
        _ => {}
    }
    put("expect", expect(recorded)?);
    Ok(case)
}

/// The settings that were asked with. A `null` is as if it were not there, in a case as to every plugin that keeps to its
/// schema.
pub(super) fn settings(recorded: &Recorded) -> Option<Json> {
    serde_json::from_str(recorded.settings()).ok().map(without_nulls)
}

fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Json::Object(fields.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}

/// What a judgement was about stands in the question before it.
fn change<'r>(recorded: &'r Recorded, needs: Option<&'r Recorded>) -> Option<&'r Change> {
    match (&recorded.request, needs.map(|needs| &needs.request)) {
        (
            Request::Evaluate { change, .. } | Request::Needs { change, .. } | Request::Plan { change, .. },
            _,
        )
        | (Request::Judge { .. }, Some(Request::Needs { change, .. })) => Some(change),
        (Request::Advance { situation }, _) => Some(&situation.change),
        _ => None,
    }
}

fn change_of(change: &Change) -> Result<Value, String> {
    let mut fields = mapping(change)?;
    fields.insert("proposed_at".into(), moment(change.proposed_at));
    if let Some(Value::Mapping(population)) = fields.get_mut("population") {
        let names: BTreeSet<&String> = change.population.groups.iter().map(|group| &group.name).collect();
        if change.population.groups.is_empty() {
            population.remove("groups");
        } else if names.len() == change.population.groups.len()
            && names.into_iter().eq(change.population.groups.iter().map(|group| &group.name))
        {
            let groups =
                change.population.groups.iter().map(|group| (group.name.as_str().into(), group.size.into()));
            population.insert("groups".into(), Mapping::from_iter(groups).into());
        }
    }
    // Its tree where that leads back to the same text, for whoever reads the case.
    fields
        .insert("manifest".into(), tree(&change.manifest).unwrap_or_else(|| change.manifest.as_str().into()));
    // Only an absent artifact is `null` here.
    if let Some(Value::Sequence(targets)) = fields.get_mut("rollback") {
        for target in targets.iter_mut().filter_map(Value::as_mapping_mut) {
            target.retain(|_, value| !value.is_null());
        }
    }
    Ok(fields.into())
}

/// JSON as a tree, if a case that holds it gives back exactly this text: without `null`, which takes away, and without a
/// number or an order that comes out otherwise.
fn tree(text: &str) -> Option<Value> {
    let value: Json = serde_json::from_str(text).ok()?;
    let again = serde_json::to_string(&value).ok()?;
    let is_tree = value.is_object() && again == text && !holds_null(&value);
    is_tree.then(|| serde_yaml_ng::to_value(&value).ok()).flatten()
}

fn holds_null(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(items) => items.iter().any(holds_null),
        Json::Object(fields) => fields.values().any(holds_null),
        _ => false,
    }
}

fn evidence(lookups: &[EvidenceLookup], now: u64) -> Result<Mapping, String> {
    let mut sources = Mapping::new();
    for EvidenceLookup { source, key, answer } in lookups {
        let said: Mapping = match answer {
            EvidenceAnswer::Found(document) => found(document, now),
            EvidenceAnswer::Refused(Refusal::NotFound) => one("refused", "not_found".into()),
            EvidenceAnswer::Refused(Refusal::Denied(why)) => {
                one("refused", one("denied", why.as_str().into()).into())
            }
            EvidenceAnswer::Refused(Refusal::Unavailable(why)) => {
                one("refused", one("unavailable", why.as_str().into()).into())
            }
            EvidenceAnswer::Ended(_) => {
                return Err(format!(
                    "its look-up of `{key}` in `{source}` ended the call, and its content is not recorded"
                ));
            }
        };
        let keys = sources.entry(source.as_str().into()).or_insert_with(|| Mapping::new().into());
        if let Value::Mapping(keys) = keys {
            let before = keys.insert(key.as_str().into(), said.clone().into());
            if before.is_some_and(|before| before != Value::Mapping(said)) {
                return Err(format!("`{key}` of `{source}` was answered in two ways in one call"));
            }
        }
    }
    Ok(sources)
}

fn found(document: &Document, now: u64) -> Mapping {
    let text = std::str::from_utf8(&document.content).ok();
    let tree = text.and_then(tree);
    let (mut said, usual) = match (tree, text) {
        (Some(tree), _) => (one("document", tree), "application/json"),
        (None, Some(text)) => (one("text", text.into()), "text/plain"),
        (None, None) => {
            (one("base64", STANDARD.encode(&document.content).into()), "application/octet-stream")
        }
    };
    if document.media_type != usual {
        said.insert("media_type".into(), document.media_type.as_str().into());
    }
    if document.fetched_at != now {
        said.insert("fetched_at".into(), moment(document.fetched_at));
    }
    said
}

fn observations_of(observations: &[Observation]) -> Result<Value, String> {
    let mut said = Mapping::new();
    for Observation { query, treatment, control } in observations {
        let mut cohorts = one("treatment", series(treatment));
        cohorts.insert("control".into(), series(control));
        if said.insert(query.id.as_str().into(), cohorts.into()).is_some() {
            return Err(format!("two of its observations are called `{}`", query.id));
        }
    }
    Ok(said.into())
}

fn series(Series { targets, samples, value, raw }: &Series) -> Value {
    let mut said = one("targets", (*targets).into());
    said.insert("samples".into(), (*samples).into());
    if let Some(value) = value {
        said.insert("value".into(), number(*value));
    }
    if !raw.is_empty() {
        said.insert("raw".into(), raw.iter().copied().map(number).collect::<Vec<_>>().into());
    }
    said.into()
}

/// `NaN` and `inf` have no number in JSON.
fn number(number: f64) -> Value {
    if number.is_finite() { number.into() } else { number.to_string().into() }
}

fn situation_of(situation: &Situation) -> Result<Value, String> {
    let Situation { plan, stage, entered_at, settled_at, progress, health, promoted, .. } = situation;
    let mut said = one("plan", stages(plan)?);
    let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| said.insert(key.into(), value)));
    put("stage", stage.map(Value::from));
    put("entered_at", entered_at.map(moment));
    put("settled_at", settled_at.map(moment));
    let mut counts = mapping(progress)?;
    counts.retain(|_, count| count.as_u64() != Some(0));
    put("progress", (!counts.is_empty()).then(|| counts.into()));
    let health = health.iter().map(verdict_of).collect::<Result<Vec<_>, _>>()?;
    put("health", (!health.is_empty()).then(|| health.into()));
    put("promoted", promoted.then(|| true.into()));
    Ok(said.into())
}

fn verdict_of(HealthVerdict { check, at, verdict }: &HealthVerdict) -> Result<Value, String> {
    let mut said = one("check", check.as_str().into());
    said.insert("outcome".into(), snake(&verdict.outcome).into());
    said.insert("at".into(), moment(*at));
    said.insert("findings".into(), findings(&verdict.findings)?);
    Ok(said.into())
}

fn expect(recorded: &Recorded) -> Result<Value, String> {
    let expect = match answer(recorded).ok_or("it has neither an answer nor an error")? {
        Answer::Verdict(Verdict { outcome, findings: found }) => {
            let mut expect = one("outcome", snake(&outcome).into());
            expect.insert("findings".into(), findings(&found)?);
            expect
        }
        Answer::Queries(queries) => {
            let query = |Query { id, metric, window_ms, aggregation }: &Query| {
                yaml(&json!({ "id": id, "metric": metric, "window": window_ms, "aggregation": aggregation }))
            };
            one("queries", queries.iter().map(query).collect::<Result<Vec<_>, _>>()?.into())
        }
        Answer::Stages(planned) => one("stages", stages(&planned)?),
        Answer::Directive(directive) => {
            let (word, detail) = match directive {
                Directive::EnterStage(index) => ("enter_stage", Some(("stage", index.into()))),
                Directive::Wait(until) => ("wait", Some(("until", moment(until)))),
                Directive::Complete => ("complete", None),
                Directive::Pause(why) => ("pause", Some(("reason", why.into()))),
                Directive::RollBack(why) => ("roll_back", Some(("reason", why.into()))),
            };
            let mut expect = one("directive", word.into());
            expect.extend(detail.map(|(key, value)| (Value::from(key), value)));
            expect
        }
        Answer::Error(error) => {
            let mut expect = one("error", error.code.as_str().into());
            // What wasmtime says of a trap names addresses of this build.
            if error.code.starts_with("fault-") {
                expect.insert("message".into(), error.message.into());
            }
            expect
        }
        Answer::Refused(_) => return Err("it was not asked".to_owned()),
    };
    Ok(expect.into())
}

fn answer(recorded: &Recorded) -> Option<Answer> {
    match (&recorded.record.error, &recorded.record.output) {
        (Some(error), _) => Some(Answer::Error(error.clone())),
        (None, Some(output)) => Response::deserialize(output).ok().and_then(Answer::of_response),
        (None, None) => None,
    }
}

fn stages(stages: &[Stage]) -> Result<Value, String> {
    let stage = |Stage { name, exposure, hold_ms }: &Stage| {
        yaml(&json!({ "name": name, "exposure": exposure, "hold": hold_ms }))
    };
    Ok(stages.iter().map(stage).collect::<Result<Vec<_>, _>>()?.into())
}

fn findings(findings: &[Finding]) -> Result<Value, String> {
    Ok(findings.iter().map(yaml).collect::<Result<Vec<_>, _>>()?.into())
}

/// A time as people write it, where that says the same.
fn moment(at: u64) -> Value {
    let text = shown(at);
    if instant(&text) == Ok(at) { text.into() } else { at.into() }
}

fn one(key: &str, value: Value) -> Mapping {
    Mapping::from_iter([(Value::from(key), value)])
}

fn mapping(value: &impl Serialize) -> Result<Mapping, String> {
    match yaml(value)? {
        Value::Mapping(mapping) => Ok(mapping),
        _ => Err("it is no record".to_owned()),
    }
}

fn yaml(value: &impl Serialize) -> Result<Value, String> {
    // By way of JSON, as everything else that a case holds.
    let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    serde_yaml_ng::to_value(value).map_err(|error| error.to_string())
}
