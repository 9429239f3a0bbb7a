//! What the judge says, as findings.

use interlock_plugin_sdk::prelude::*;

use crate::classify::{Class, Classified, Compared};
use crate::score::{Score, Void};
use crate::settings::{EffectSize, MetricSettings, Settings, Unjudged};

/// What the finding on the score is about.
const SCORE: &str = "score";

/// Before the first target has installed there is nothing to judge, whatever the settings say.
pub(crate) fn nobody_treated() -> Finding {
    let message = "no target has installed the change yet, so there is nothing to judge";
    Finding::warning("nothing-treated", message).about(SCORE)
}

/// All targets are treated, or the others wait for something else.
pub(crate) fn nobody_to_compare_with(settings: &Settings) -> Finding {
    let message = "no target is left that runs the old revision, so there is nothing to compare with";
    Finding::new(severity(settings.without_control), "nothing-to-compare-with", message).about(SCORE)
}

/// The finding on a metric that does not pass. It only informs, unless it is critical: the score decides.
pub(crate) fn metric(metric: &MetricSettings, classified: &Classified) -> Option<Finding> {
    let name = &metric.name;
    let (code, said) = match classified.class {
        Class::Pass => return None,
        Class::High => ("metric-high", format!("`{name}` is high{}", detail(metric, classified.compared))),
        Class::Low => ("metric-low", format!("`{name}` is low{}", detail(metric, classified.compared))),
        Class::NoData => ("metric-no-data", format!("`{name}` has too few samples to compare")),
        Class::NoDataFail => {
            ("metric-must-have-data", format!("`{name}` has too few samples to compare, and must have them"))
        }
    };
    let (severity, weight) = match (metric.muted, classified.critical, classified.class) {
        (true, ..) => (Severity::Info, "; it is muted"),
        (false, true, Class::High | Class::Low) => (Severity::Critical, "; it is critical"),
        // What the want of data means for the whole is said by the score.
        (false, true, _) => (Severity::Info, "; it is critical"),
        (false, false, _) => (Severity::Info, ""),
    };
    let (treatment, control) = classified.samples;
    let message = format!("{said} ({treatment} samples of treatment and {control} of control){weight}");
    Some(Finding::new(severity, code, message).about(name))
}

/// `: shifted by 4.1 to 6.2, probably 5.1; its mean is 1.31 times that of control`.
fn detail(metric: &MetricSettings, compared: Option<Compared>) -> String {
    let Some(Compared { shift, effect }) = compared else { return String::new() };
    let (low, high, estimate) = (shown(shift.low), shown(shift.high), shown(shift.estimate));
    let effect = match (metric.effect_size, effect.map(shown)) {
        (_, None) => String::new(),
        (EffectSize::MeanRatio, Some(ratio)) => format!("; its mean is {ratio} times that of control"),
        (EffectSize::Cles, Some(chance)) => {
            format!("; the chance that a sample is above one of control is {chance}")
        }
    };
    format!(": shifted by {low} to {high}, probably {estimate}{effect}")
}

/// The finding on the score, which decides the verdict.
pub(crate) fn score(score: &Score<'_>, settings: &Settings) -> Finding {
    let said = format!("the score is {}", percent(score.bp.into()));
    let finding = match &score.void {
        Some(Void::Critical(names)) => {
            let message = format!("{said}, because critical metrics do not pass: {}", listed(names));
            Finding::critical("score-fail", message)
        }
        Some(Void::CriticalWithoutData(names)) => {
            let message = format!("{said}, because critical metrics have no data: {}", listed(names));
            Finding::new(severity(settings.without_data), "score-no-data", message)
        }
        Some(Void::NoData { without, of }) => {
            let message = format!("{said}, because {without} of {of} metrics have no data");
            Finding::new(severity(settings.without_data), "score-no-data", message)
        }
        None => weighed(&said, score, settings),
    };
    finding.about(SCORE)
}

/// The finding on a score that the groups made.
fn weighed(said: &str, score: &Score<'_>, settings: &Settings) -> Finding {
    let group = |name: &str, score: f64| format!("`{name}` {} %", (score * 100.0).round() / 100.0);
    let groups: Vec<String> = score.groups.iter().map(|of| group(of.name, of.score)).collect();
    let said = format!("{said} ({})", groups.join(", "));
    let (pass, marginal) = (percent(settings.pass_bp.into()), percent(settings.marginal_bp.into()));
    if score.bp >= settings.pass_bp {
        Finding::info("score-pass", format!("{said}: pass, from {pass} on"))
    } else if score.bp >= settings.marginal_bp {
        Finding::warning("score-marginal", format!("{said}: marginal, from {marginal} on; {pass} would pass"))
    } else {
        let message = format!("{said}: fail; {pass} would pass and {marginal} be marginal");
        Finding::critical("score-fail", message)
    }
}

fn severity(unjudged: Unjudged) -> Severity {
    match unjudged {
        Unjudged::Pass => Severity::Info,
        Unjudged::Warn => Severity::Warning,
        Unjudged::Fail => Severity::Critical,
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// With four significant digits.
fn shown(value: f64) -> String {
    format!("{value:.3e}").parse::<f64>().unwrap_or(value).to_string()
}
