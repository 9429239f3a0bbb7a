//! The gate `rollback-plan`: every target of a release has somewhere to go back to.

use interlock_plugin_sdk::prelude::*;

/// 100 % in basis points.
const WHOLE_BP: u64 = 10_000;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// The smallest share of the targets that must have a stored artifact to go back to, in basis points.
    #[default(10_000)]
    #[schemars(range(max = 10_000))]
    pub min_covered_bp: u32,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let too_much = u64::from(self.min_covered_bp) > WHOLE_BP;
        too_much
            .then(|| SettingsProblem::at("/min_covered_bp", "a share is at most 10000"))
            .into_iter()
            .collect()
    }
}

/// Refuses releases whose targets could not come back.
#[gate(name = "rollback-plan")]
pub fn rollback_plan(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    if change.kind != ChangeKind::Release {
        return Ok(Verdict::pass());
    }
    let (size, planned) = (change.population.size, sum(change.rollback.iter()));
    if planned != size {
        let message = format!(
            "the rollback plan speaks of {planned} targets, but the change has {size}; propose it again"
        );
        return Ok(Finding::critical("rollback-plan-incomplete", message).about("/rollback").into());
    }
    let stranded: Vec<&RollbackTarget> =
        change.rollback.iter().filter(|target| target.artifact.is_none()).collect();
    let covered = size.saturating_sub(sum(stranded.iter().copied()));
    let enough =
        u128::from(covered) * u128::from(WHOLE_BP) >= u128::from(settings.min_covered_bp) * u128::from(size);
    Ok(stranded.into_iter().map(|target| finding(target, enough)).collect())
}

fn sum<'a>(targets: impl Iterator<Item = &'a RollbackTarget>) -> u64 {
    targets.fold(0, |sum, target| sum.saturating_add(target.targets))
}

/// Within the share that the operator accepts, a target without a way back is still worth a look.
fn finding(target: &RollbackTarget, enough: bool) -> Finding {
    let RollbackTarget { version, targets, .. } = target;
    let severity = if enough { Severity::Warning } else { Severity::Critical };
    let message = if version.is_empty() {
        format!("{targets} targets have never said what they run; wait until they report, or leave them out")
    } else {
        format!(
            "{targets} targets run {version}, and no verified artifact of that version is stored; push it with its \
             signed statement"
        )
    };
    Finding::new(severity, "no-way-back", message).about(version)
}

#[cfg(test)]
mod tests;
