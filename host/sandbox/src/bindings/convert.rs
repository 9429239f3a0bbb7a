//! Between the generated records of `health` and `strategy` and ours.

use super::health::exports::interlock::plugin::health as h;
use super::strategy::exports::interlock::plugin::strategy as s;
use crate::types::{
    Aggregation, Directive, Exposure, HealthVerdict, Observation, Progress, Query, Series, Situation, Stage,
};

/// Writes the two directions of an enum or variant whose cases have the same names.
macro_rules! same_cases {
    ($ours:ident, $theirs:path { $($case:ident),+ }) => {
        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                match value { $($ours::$case => Self::$case),+ }
            }
        }
        impl From<$theirs> for $ours {
            fn from(value: $theirs) -> Self {
                match value { $(<$theirs>::$case => Self::$case),+ }
            }
        }
    };
}

same_cases!(Aggregation, h::Aggregation { Raw, Mean, Minimum, Maximum, Sum, Count, P50, P95, P99 });

impl From<&Query> for h::Query {
    fn from(query: &Query) -> Self {
        let Query { id, metric, window_ms, aggregation } = query;
        Self {
            id: id.clone(),
            metric: metric.clone(),
            window: *window_ms,
            aggregation: (*aggregation).into(),
        }
    }
}

impl From<h::Query> for Query {
    fn from(query: h::Query) -> Self {
        let h::Query { id, metric, window, aggregation } = query;
        Self { id, metric, window_ms: window, aggregation: aggregation.into() }
    }
}

impl From<&Series> for h::Series {
    fn from(series: &Series) -> Self {
        let Series { targets, samples, value, raw } = series;
        Self { targets: *targets, samples: *samples, value: *value, raw: raw.clone() }
    }
}

impl From<&Observation> for h::Observation {
    fn from(observation: &Observation) -> Self {
        let Observation { query, treatment, control } = observation;
        Self { query: query.into(), treatment: treatment.into(), control: control.into() }
    }
}

impl From<&Exposure> for s::Exposure {
    fn from(exposure: &Exposure) -> Self {
        match exposure {
            Exposure::Shadow => Self::Shadow,
            Exposure::PercentBp(bp) => Self::Percent(*bp),
            Exposure::Groups(names) => Self::Groups(names.clone()),
            Exposure::All => Self::All,
        }
    }
}

impl From<s::Exposure> for Exposure {
    fn from(exposure: s::Exposure) -> Self {
        match exposure {
            s::Exposure::Shadow => Self::Shadow,
            s::Exposure::Percent(bp) => Self::PercentBp(bp),
            s::Exposure::Groups(names) => Self::Groups(names),
            s::Exposure::All => Self::All,
        }
    }
}

impl From<&Stage> for s::Stage {
    fn from(stage: &Stage) -> Self {
        let Stage { name, exposure, hold_ms } = stage;
        Self { name: name.clone(), exposure: exposure.into(), hold: *hold_ms }
    }
}

impl From<s::Stage> for Stage {
    fn from(stage: s::Stage) -> Self {
        let s::Stage { name, exposure, hold } = stage;
        Self { name, exposure: exposure.into(), hold_ms: hold }
    }
}

impl From<Progress> for s::Progress {
    fn from(progress: Progress) -> Self {
        let Progress {
            pending,
            offered,
            downloading,
            installing,
            installed,
            verified,
            failed,
            silent,
            rolled_back,
        } = progress;
        Self { pending, offered, downloading, installing, installed, verified, failed, silent, rolled_back }
    }
}

impl From<&HealthVerdict> for s::HealthVerdict {
    fn from(health: &HealthVerdict) -> Self {
        let HealthVerdict { check, at, verdict } = health;
        Self { check: check.clone(), at: *at, verdict: verdict.clone() }
    }
}

impl From<&Situation> for s::Situation {
    fn from(situation: &Situation) -> Self {
        let Situation {
            change,
            settings,
            now,
            plan,
            stage,
            entered_at,
            settled_at,
            progress,
            health,
            promoted,
        } = situation;
        Self {
            change: change.as_ref().clone(),
            settings: settings.clone(),
            now: *now,
            plan: plan.iter().map(Into::into).collect(),
            stage: *stage,
            entered_at: *entered_at,
            settled_at: *settled_at,
            progress: (*progress).into(),
            health: health.iter().map(Into::into).collect(),
            promoted: *promoted,
        }
    }
}

impl From<s::Directive> for Directive {
    fn from(directive: s::Directive) -> Self {
        match directive {
            s::Directive::EnterStage(index) => Self::EnterStage(index),
            s::Directive::Wait(until) => Self::Wait(until),
            s::Directive::Complete => Self::Complete,
            s::Directive::Pause(reason) => Self::Pause(reason),
            s::Directive::RollBack(reason) => Self::RollBack(reason),
        }
    }
}
