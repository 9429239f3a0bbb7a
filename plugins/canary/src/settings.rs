//! What an operator sets for a canary rollout.

use interlock_plugin_sdk::prelude::*;

/// What an operator sets for a canary rollout.
#[settings(check = Settings::check)]
pub struct Settings {
    /// The stages, from few targets to all.
    #[default(stages_by_default())]
    #[schemars(length(min = 1, max = 100))]
    pub stages: Vec<StageSettings>,
    /// Roll back when more than this share of the finished targets failed or fell silent, in basis points.
    #[default(500)]
    #[schemars(range(max = 10_000))]
    pub max_failure_bp: u32,
    /// How many targets must have finished before their failures count while a stage is still under way.
    #[default(1)]
    pub min_finished: u64,
    /// What to do while a health check warns.
    #[default(OnWarning::Wait)]
    pub on_warning: OnWarning,
}

/// One stage.
#[settings]
pub struct StageSettings {
    /// The share of the population that this stage reaches in total, in basis points: 500 is 5 %.
    #[schemars(range(min = 1, max = 10_000))]
    pub percent_bp: u32,
    /// How long health must stay good after the last target settled, in seconds.
    #[default(2 * 60 * 60)]
    #[schemars(range(max = 31_536_000))]
    pub hold_secs: u64,
}

impl Settings {
    /// Stages must rise strictly and end with everybody.
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut below = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let mut refuse = |message: String| {
                problems.push(SettingsProblem::at(format!("/stages/{index}/percent_bp"), message));
            };
            if stage.percent_bp > 10_000 {
                refuse(format!("{} is more than the whole population; 10000 is all of it", stage.percent_bp));
            } else if stage.percent_bp <= below {
                refuse(format!("stages must rise; {} is not above {below}", stage.percent_bp));
            }
            below = stage.percent_bp;
        }
        match self.stages.last() {
            None => problems.push(SettingsProblem::at("/stages", "name at least one stage")),
            Some(last) if last.percent_bp < 10_000 => problems.push(SettingsProblem::at(
                format!("/stages/{}/percent_bp", self.stages.len() - 1),
                format!("the last stage reaches {}; it must reach all, 10000", last.percent_bp),
            )),
            Some(_) => {}
        }
        if self.max_failure_bp > 10_000 {
            problems.push(SettingsProblem::at("/max_failure_bp", "a share is at most 10000"));
        }
        problems
    }
}

fn stages_by_default() -> Vec<StageSettings> {
    let stage = |percent_bp| StageSettings { percent_bp, hold_secs: StageSettings::default_hold_secs() };
    [500, 1000, 2500, 5000, 10_000].map(stage).into()
}
