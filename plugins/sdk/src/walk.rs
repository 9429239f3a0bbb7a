//! Walking through the stages of a plan: what every staged strategy does, written once.

use crate::{Directive, Fault, Situation, settings};

/// When a walk stops, goes back or goes on.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Roll back when more than this share of the finished targets were unsuccessful, in basis points.
    pub max_failure_bp: u32,
    /// How many targets must have finished before their failures count while a stage is still under way.
    pub min_finished: u64,
    /// What to do while a health check warns.
    pub on_warning: OnWarning,
}

/// What to do while a health check warns.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum OnWarning {
    /// Stay in the stage until the warning is over or an operator promotes.
    Wait,
    /// Pause and call a person.
    Pause,
    /// Go on as if all were well.
    Continue,
}

impl Situation {
    /// The next step through the plan: back when health or too many targets fail, on when the stage has settled, was held
    /// and was judged.
    pub fn walk(&self, walk: &Walk) -> Result<Directive, Fault> {
        if let Some(failing) = self.failing() {
            return Ok(Directive::RollBack(failing.reason()));
        }
        if self.fails_too_often(walk) {
            return Ok(Directive::RollBack(self.progress.failure_reason(walk.max_failure_bp)));
        }
        let Some((index, _)) = self.current()? else { return Ok(Directive::EnterStage(0)) };
        // A promotion is a person's answer to the warning as much as to the hold time.
        if let Some(warning) = self.warning().filter(|_| !self.promoted) {
            match walk.on_warning {
                OnWarning::Pause => return Ok(Directive::Pause(warning.reason())),
                OnWarning::Wait => return Ok(Directive::Wait(self.until_changed())),
                OnWarning::Continue => {}
            }
        }
        let next = index.saturating_add(1);
        Ok(match self.stay()? {
            Some(instant) => Directive::Wait(instant),
            None if self.plan.get(next as usize).is_some() => Directive::EnterStage(next),
            None => Directive::Complete,
        })
    }

    /// While a stage is under way its first failures say little, so `min_finished` holds the judgement back; once it
    /// settled there is nothing more to wait for.
    fn fails_too_often(&self, walk: &Walk) -> bool {
        let enough = self.settled_at.is_some() || self.progress.finished() >= walk.min_finished;
        enough && self.progress.fails_more_than(walk.max_failure_bp)
    }
}
