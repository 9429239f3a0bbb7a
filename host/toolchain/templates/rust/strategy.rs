//! The strategy `my-plugin`.
use interlock_plugin_sdk::prelude::*;

/// What an operator sets for the rollout.
#[settings]
pub struct Settings {
    /// The share of the targets that the first stage reaches, in basis points.
    #[schemars(range(min = 1, max = 10_000))]
    #[default(1_000)]
    pub first_bp: u32,
    /// How long health must stay good after the last target of a stage settled, in seconds.
    #[schemars(range(max = 31_536_000))]
    #[default(3_600)]
    pub hold_secs: u64,
    /// Roll back when more than this share of the finished targets failed or fell silent, in basis points.
    #[schemars(range(max = 10_000))]
    #[default(500)]
    pub max_failure_bp: u32,
}

/// The strategy. It has no state of its own: the host tells it the situation.
#[derive(Clone, Copy, Debug)]
pub struct Lead;

/// Reaches a few targets first, then all.
#[strategy(name = "my-plugin")]
impl Strategy for Lead {
    fn plan(_: &Change, _: &Population, settings: &Settings) -> Result<Vec<Stage>, Fault> {
        let hold = settings.hold_secs * 1000;
        let first = Stage { name: "first".into(), exposure: Exposure::Percent(settings.first_bp), hold };
        Ok(vec![first, Stage { name: "all".into(), exposure: Exposure::All, hold }])
    }

    fn advance(situation: &Situation, settings: &Settings) -> Result<Directive, Fault> {
        let Settings { max_failure_bp, .. } = *settings;
        situation.walk(&Walk { max_failure_bp, min_finished: 0, on_warning: OnWarning::Wait })
    }
}
