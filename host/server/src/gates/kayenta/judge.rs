//! Kayenta's remote judge: its configuration becomes settings of the plugin `canary-judge`, its series observations, and
//! the findings its answer.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use interlock_domain::{Engine, Finding, GateFacts, GateVerdict};
use interlock_sandbox::types::{Aggregation, Observation, Query, Series};
use serde_json::{Map, Value, json};

use super::{
    super::{Asking, read},
    classification,
};
use crate::{
    App,
    flow::{
        engine,
        judge::{self as judging, Judged},
    },
    problem::Problem,
};

/// What the judge is called in answers.
const NAME: &str = "interlock-canary-judge";
/// Samples of one cohort over all metrics that the plugin compares; more are thinned by it.
const SAMPLES_TOTAL_MAX: usize = 10_000;
/// The plugin's window; the series are Kayenta's, so that nothing depends on it.
const WINDOW_SECS: u64 = 3_600;

pub(in crate::gates) async fn judge(
    State(app): State<Arc<App>>,
    asking: Asking,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let through = asking.of(Engine::Kayenta)?;
    let fields = read::object(&app, &headers, body).await.map_err(|why| Problem::invalid("", why))?;
    let canary = Canary::read(&fields)?;
    let settings = canary.settings();
    let observations = canary.pairs.iter().map(Pair::observation).collect();
    let Judged { verdict, call } = judging::judge(&app, &through, &settings, observations).await?;
    let answer = canary.answer(&verdict.findings)?;
    let reasons = vec![answer.why.clone()];
    let facts =
        GateFacts::Judged { decision: call.id.clone(), score_bp: answer.score_bp, verdict: answer.verdict };
    let asked = json!({
        "metrics": canary.pairs.len(), "thresholds": { "pass_bp": canary.pass_bp, "marginal_bp": canary.marginal_bp },
    });
    engine::judged(&app, &through, asked, facts, reasons, call).await?;
    Ok(Json(answer.body))
}

/// What Kayenta wants judged.
struct Canary {
    pairs: Vec<Pair>,
    weights: BTreeMap<String, u64>,
    pass_bp: u64,
    marginal_bp: u64,
}

/// One metric with the samples of both cohorts.
struct Pair {
    /// Unlike any other: two pairs of one metric differ in their tags.
    key: String,
    name: String,
    id: Value,
    tags: Value,
    groups: Vec<String>,
    critical: bool,
    muted: bool,
    settings: Map<String, Value>,
    experiment: Vec<f64>,
    control: Vec<f64>,
}

/// What is answered, and what it came to.
struct Answer {
    body: Value,
    score_bp: u32,
    verdict: GateVerdict,
    why: String,
}

fn invalid(field: &str, why: impl Into<String>) -> Problem {
    Problem::invalid(field, why)
}

/// Hundredths of a per cent, as the plugin has them.
fn basis_points(value: f64, of: f64) -> Option<u64> {
    let scaled = (value * of).round();
    // In range, so that nothing is lost.
    (0.0..=1e9).contains(&scaled).then_some(scaled as u64)
}

impl Canary {
    fn read(fields: &Map<String, Value>) -> Result<Self, Problem> {
        let threshold = |name: &str| {
            let field = format!("/scoreThresholds/{name}");
            let given = fields.get("scoreThresholds").and_then(|all| all.get(name)).and_then(Value::as_f64);
            let bp = given
                .filter(|value| (0.0..=100.0).contains(value))
                .and_then(|given| basis_points(given, 100.0));
            bp.ok_or_else(|| invalid(&field, "a threshold is a number from 0 to 100"))
        };
        let config = fields.get("canaryConfig").and_then(Value::as_object);
        let config = config.ok_or_else(|| invalid("/canaryConfig", "the canary configuration is missing"))?;
        let metrics = config.get("metrics").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(Value::Array(pairs)) = fields.get("metricSetPairList") else {
            return Err(invalid("/metricSetPairList", "the series are missing"));
        };
        let pairs = pairs.iter().enumerate().map(|(index, pair)| Pair::read(index, pair, &metrics));
        let weights =
            config.get("classifier").and_then(|classifier| classifier.get("groupWeights")?.as_object());
        let weights = weights.into_iter().flatten().map(|(group, weight)| {
            let bp = weight.as_f64().and_then(|weight| basis_points(weight, 100.0));
            let field = format!("/canaryConfig/classifier/groupWeights/{group}");
            Ok((group.clone(), bp.ok_or_else(|| invalid(&field, "a weight is a number from 0 to 100"))?))
        });
        Ok(Self {
            pairs: pairs.collect::<Result<_, _>>()?,
            weights: weights.collect::<Result<_, Problem>>()?,
            pass_bp: threshold("pass")?,
            marginal_bp: threshold("marginal")?,
        })
    }

    fn settings(&self) -> Value {
        let most = (SAMPLES_TOTAL_MAX / self.pairs.len().max(1)).clamp(10, SAMPLES_TOTAL_MAX);
        json!({
            "metrics": self.pairs.iter().map(|pair| &pair.settings).collect::<Vec<_>>(),
            "group_weights_bp": self.weights,
            "pass_bp": self.pass_bp,
            "marginal_bp": self.marginal_bp,
            "window_secs": WINDOW_SECS,
            "samples_max": most,
            "without_data": "fail",
        })
    }

    /// The plugin's findings in Kayenta's words.
    fn answer(&self, findings: &[Finding]) -> Result<Answer, Problem> {
        let scored = findings.iter().find(|finding| finding.subject == "score");
        let scored = scored.ok_or_else(|| Problem::internal(&"the judge gave no score"))?;
        let score_bp =
            score_of(&scored.message).ok_or_else(|| Problem::internal(&"the judge gave no score"))?;
        let of = |pair: &Pair| findings.iter().find(|finding| finding.subject == pair.key);
        let results: Vec<Value> = self.pairs.iter().map(|pair| pair.result(of(pair))).collect();
        let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for pair in self.pairs.iter().filter(|pair| !pair.muted) {
            let class = class(of(pair));
            for group in &pair.groups {
                let (passing, counted) = groups.entry(group).or_default();
                *passing += f64::from(u8::from(class == "Pass"));
                *counted += f64::from(u8::from(class != "Nodata"));
            }
        }
        let groups = groups.into_iter().map(|(name, (passing, counted))| {
            let score = if counted == 0.0 { 100.0 } else { 100.0 * passing / counted };
            json!({ "name": name, "score": score, "classification": "", "classificationReason": "" })
        });
        let groups: Vec<Value> = groups.collect();
        let verdict = match u64::from(score_bp) {
            bp if bp >= self.pass_bp => GateVerdict::Allow,
            bp if bp >= self.marginal_bp => GateVerdict::Pending,
            _ => GateVerdict::Deny,
        };
        let why = scored.message.clone();
        let body = json!({
            "judgeName": NAME,
            "score": {
                "score": f64::from(score_bp) / 100.0,
                "classification": classification(verdict),
                "classificationReason": why,
            },
            "groupScores": groups,
            "results": results,
        });
        Ok(Answer { body, score_bp, verdict, why })
    }
}

/// The score in `the score is 83.33 % …`, in basis points.
fn score_of(message: &str) -> Option<u32> {
    let rest = message.strip_prefix("the score is ")?;
    let end = rest.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(rest.len());
    let score: f64 = rest[..end].parse().ok()?;
    // From 0 to 100 with two digits, so that nothing is lost.
    (0.0..=100.0).contains(&score).then_some((score * 100.0).round() as u32)
}

/// What the plugin makes of a metric, in Kayenta's words: one that passes has no finding.
fn class(finding: Option<&Finding>) -> &'static str {
    match finding.map(|finding| finding.code.as_str()) {
        Some("metric-high") => "High",
        Some("metric-low") => "Low",
        Some("metric-no-data") => "Nodata",
        Some("metric-must-have-data") => "NodataFailMetric",
        _ => "Pass",
    }
}

impl Pair {
    fn read(index: usize, pair: &Value, metrics: &[Value]) -> Result<Self, Problem> {
        let at = format!("/metricSetPairList/{index}");
        let name = pair.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| invalid(&format!("{at}/name"), "a metric has a name"))?.to_owned();
        let config = metrics.iter().find(|metric| metric.get("name").and_then(Value::as_str) == Some(&name));
        let Some(config) = config else {
            let why = format!("`{name}` is no metric of the canary configuration");
            return Err(invalid(&format!("{at}/name"), why));
        };
        let samples = |cohort: &str| -> Result<Vec<f64>, Problem> {
            let field = format!("{at}/values/{cohort}");
            let Some(Value::Array(values)) = pair.get("values").and_then(|values| values.get(cohort)) else {
                return Err(invalid(&field, "the samples are a list"));
            };
            let sample = |value: &Value| match value {
                // Kayenta has no other way to write what is not a number.
                Value::Null => Some(f64::NAN),
                Value::String(text) if text == "NaN" => Some(f64::NAN),
                Value::Number(number) => number.as_f64(),
                _ => None,
            };
            let read = values.iter().map(sample).collect::<Option<_>>();
            read.ok_or_else(|| invalid(&field, "a sample is a number or `\"NaN\"`"))
        };
        let key = format!("{index}:{name}");
        let groups: Vec<String> = config
            .get("groups")
            .and_then(|groups| serde_json::from_value(groups.clone()).ok())
            .unwrap_or_default();
        let groups = if groups.is_empty() { vec!["all".to_owned()] } else { groups };
        let canary = config.pointer("/analysisConfigurations/canary").cloned().unwrap_or_default();
        let flag =
            |name: &str| canary.get(name).or(config.get(name)).and_then(Value::as_bool).unwrap_or_default();
        let (critical, muted) = (flag("critical"), flag("muted"));
        let settings = settings(&key, &groups, &canary, (critical, muted, flag("mustHaveData")))
            .map_err(|why| invalid(&format!("/canaryConfig/metrics/{name}"), why))?;
        Ok(Self {
            key,
            name,
            id: pair.get("id").cloned().unwrap_or_default(),
            tags: pair.get("tags").cloned().unwrap_or_else(|| json!({})),
            groups,
            critical,
            muted,
            settings,
            experiment: samples("experiment")?,
            control: samples("control")?,
        })
    }

    fn observation(&self) -> Observation {
        let series =
            |raw: &[f64]| Series { targets: 1, samples: raw.len() as u64, value: None, raw: raw.to_vec() };
        let window_ms = WINDOW_SECS * 1_000;
        let query = Query {
            id: self.key.clone(),
            metric: self.key.clone(),
            window_ms,
            aggregation: Aggregation::Raw,
        };
        Observation { query, treatment: series(&self.experiment), control: series(&self.control) }
    }

    fn result(&self, finding: Option<&Finding>) -> Value {
        let (experiment, control) = (Stats::of(&self.experiment), Stats::of(&self.control));
        let ratio = experiment.mean.zip(control.mean).map(|(one, other)| one / other);
        json!({
            "name": self.name,
            "id": self.id,
            "tags": self.tags,
            "groups": self.groups,
            "classification": class(finding),
            "classificationReason": finding.map(|finding| finding.message.as_str()),
            "experimentMetadata": { "stats": experiment.shown() },
            "controlMetadata": { "stats": control.shown() },
            "resultMetadata": { "ratio": ratio.filter(|ratio| ratio.is_finite()) },
            "critical": self.critical,
            "muted": self.muted,
        })
    }
}

/// A metric's configuration as the plugin's settings.
fn settings(
    key: &str,
    groups: &[String],
    canary: &Value,
    (critical, muted, must_have_data): (bool, bool, bool),
) -> Result<Map<String, Value>, String> {
    let word = |pointer: &str| canary.pointer(pointer).and_then(Value::as_str);
    let effect_size = match word("/effectSize/measure") {
        None | Some("meanRatio") => "mean_ratio",
        Some("cles") => "cles",
        Some(other) => {
            return Err(format!("`{other}` is no measure of effect; there are meanRatio and cles"));
        }
    };
    let mut settings = Map::from_iter([
        ("name".to_owned(), json!(key)),
        ("groups".to_owned(), json!(groups)),
        ("critical".to_owned(), json!(critical)),
        ("muted".to_owned(), json!(muted)),
        ("must_have_data".to_owned(), json!(must_have_data)),
        ("direction".to_owned(), json!(word("/direction").unwrap_or("either"))),
        ("nan_strategy".to_owned(), json!(word("/nanStrategy").unwrap_or("remove"))),
        ("outlier_strategy".to_owned(), json!(word("/outliers/strategy").unwrap_or("keep"))),
        ("effect_size".to_owned(), json!(effect_size)),
    ]);
    for (theirs, ours) in [
        ("allowedIncrease", "allowed_increase_bp"),
        ("allowedDecrease", "allowed_decrease_bp"),
        ("criticalIncrease", "critical_increase_bp"),
        ("criticalDecrease", "critical_decrease_bp"),
    ] {
        let Some(given) = canary.pointer(&format!("/effectSize/{theirs}")) else { continue };
        let bp = given.as_f64().and_then(|given| basis_points(given, 10_000.0));
        settings
            .insert(ours.to_owned(), json!(bp.ok_or_else(|| format!("`{theirs}` is a positive number"))?));
    }
    Ok(settings)
}

/// What is said of a series.
struct Stats {
    count: usize,
    mean: Option<f64>,
    range: Option<(f64, f64)>,
}

impl Stats {
    fn of(samples: &[f64]) -> Self {
        let there: Vec<f64> = samples.iter().copied().filter(|sample| sample.is_finite()).collect();
        let mean = (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64);
        let least = there.iter().copied().reduce(f64::min);
        Self { count: there.len(), mean, range: least.zip(there.into_iter().reduce(f64::max)) }
    }

    fn shown(&self) -> Value {
        let (min, max) = self.range.unzip();
        json!({ "count": self.count, "mean": self.mean, "min": min, "max": max })
    }
}
