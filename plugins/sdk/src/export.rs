//! From the traits of this crate to the exports of the contract: decode the settings, call the author's code.

use std::marker::PhantomData;

use crate::bindings;
use crate::{
    Change, Description, Directive, Fault, Gate, Health, Instant, Json, Observation, Plugin, Population,
    Query, SettingsProblem, Situation, Stage, Strategy, Verdict, settings,
};

/// Plugin `T` as the host sees it.
#[derive(Debug)]
pub struct Exported<T>(PhantomData<T>);

impl<T: Plugin> bindings::plugin::Guest for Exported<T> {
    fn describe() -> Description {
        Description {
            name: T::NAME.into(),
            version: T::VERSION.into(),
            summary: T::SUMMARY.into(),
            settings_schema: settings::schema::<T::Settings>(),
            evidence_sources: T::EVIDENCE.iter().map(|source| (*source).into()).collect(),
        }
    }

    fn check_settings(json: Json) -> Vec<SettingsProblem> {
        settings::check::<T::Settings>(&json)
    }
}

impl<T: Gate> bindings::gate::Guest for Exported<T> {
    fn evaluate(change: Change, json: Json, now: Instant) -> Result<Verdict, Fault> {
        T::evaluate(&change, &settings::read(&json)?, now)
    }
}

impl<T: Health> bindings::health::Guest for Exported<T> {
    fn needs(change: Change, json: Json) -> Result<Vec<Query>, Fault> {
        T::needs(&change, &settings::read(&json)?)
    }

    fn judge(observations: Vec<Observation>, json: Json, now: Instant) -> Result<Verdict, Fault> {
        T::judge(&observations, &settings::read(&json)?, now)
    }
}

impl<T: Strategy> bindings::strategy::Guest for Exported<T> {
    fn plan(change: Change, population: Population, json: Json) -> Result<Vec<Stage>, Fault> {
        T::plan(&change, &population, &settings::read(&json)?)
    }

    fn advance(situation: Situation) -> Result<Directive, Fault> {
        T::advance(&situation, &settings::read(&situation.settings)?)
    }
}
