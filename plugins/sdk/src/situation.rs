//! Reading a rollout's situation: what every strategy asks, answered once.

use crate::{Fault, HealthVerdict, Instant, Millis, Outcome, Progress, Situation, Stage};

/// How long to wait when only a change of the situation can help. The host asks again as soon as it changes, so this
/// is a safety net and not a pace.
const UNTIL_CHANGED: Millis = 60 * 60 * 1000;

/// 100 % in basis points.
const WHOLE_BP: u64 = 10_000;

impl Situation {
    /// The stage that the rollout is in and its index; nothing before the first.
    pub fn current(&self) -> Result<Option<(u32, &Stage)>, Fault> {
        let Some(index) = self.stage else { return Ok(None) };
        let stage = usize::try_from(index).ok().and_then(|index| self.plan.get(index));
        stage
            .map(|stage| Some((index, stage)))
            .ok_or_else(|| Fault::Internal(format!("the plan has no stage {index}")))
    }

    /// A health check whose newest verdict is `fail`.
    pub fn failing(&self) -> Option<&HealthVerdict> {
        self.health.iter().find(|health| health.verdict.outcome == Outcome::Fail)
    }

    /// A health check that has warned since the current stage was entered.
    pub fn warning(&self) -> Option<&HealthVerdict> {
        self.health
            .iter()
            .find(|health| self.is_of_this_stage(health) && health.verdict.outcome == Outcome::Warn)
    }

    /// Until when the rollout has to stay in the current stage, as far as that can be told now; nothing when it
    /// may leave.
    ///
    /// It may leave when the last target settled, the hold time passed after that (or an operator promoted), and
    /// every health check has judged since the stage was entered: an older verdict is about fewer targets and
    /// proves nothing for this stage.
    pub fn stay(&self) -> Result<Option<Instant>, Fault> {
        let Some((_, stage)) = self.current()? else { return Ok(None) };
        let Some(settled_at) = self.settled_at else { return Ok(Some(self.until_changed())) };
        let held_until = settled_at.saturating_add(stage.hold);
        Ok(if self.now < held_until && !self.promoted {
            Some(held_until)
        } else if self.health.iter().all(|health| self.is_of_this_stage(health)) {
            None
        } else {
            Some(self.until_changed())
        })
    }

    /// The instant to wait for when nothing but a change of the situation can help.
    pub fn until_changed(&self) -> Instant {
        self.now.saturating_add(UNTIL_CHANGED)
    }

    fn is_of_this_stage(&self, health: &HealthVerdict) -> bool {
        self.entered_at.is_none_or(|entered_at| health.at >= entered_at)
    }
}

impl HealthVerdict {
    /// One sentence for a person: which check said what.
    pub fn reason(&self) -> String {
        let weightiest = self.verdict.findings.iter().max_by_key(|finding| finding.severity);
        match weightiest {
            Some(finding) => format!("health check `{}`: {}", self.check, finding.message),
            None => format!("health check `{}` gave no reason", self.check),
        }
    }
}

impl Progress {
    /// Targets that are done with the change, for better or worse.
    pub fn finished(&self) -> u64 {
        self.verified.saturating_add(self.unsuccessful())
    }

    /// Targets that do not run what they were offered: failed, silent, or gone back by themselves.
    pub fn unsuccessful(&self) -> u64 {
        self.failed.saturating_add(self.silent).saturating_add(self.rolled_back)
    }

    /// Whether more than `max_bp` basis points of the finished targets were unsuccessful.
    pub fn fails_more_than(&self, max_bp: u32) -> bool {
        let (unsuccessful, finished) = (u128::from(self.unsuccessful()), u128::from(self.finished()));
        unsuccessful * u128::from(WHOLE_BP) > u128::from(max_bp) * finished
    }

    /// One sentence for a person: how many of the finished targets were unsuccessful.
    pub fn failure_reason(&self, max_bp: u32) -> String {
        let (unsuccessful, finished) = (self.unsuccessful(), self.finished());
        let share_bp = unsuccessful.saturating_mul(WHOLE_BP) / finished.max(1);
        let (share, max) = (crate::percent(share_bp), crate::percent(max_bp.into()));
        format!(
            "{unsuccessful} of {finished} finished targets failed or fell silent: {share}, at most {max} may"
        )
    }
}
