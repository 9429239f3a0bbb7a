//! The fold: what each event does to a change. **Invariant:** no other code alters a change.

use super::{Change, State};
use crate::{Event, GateReport, GroupReport, Rollout};

impl Change {
    /// The change that a proposal begins.
    pub(super) fn begin(event: &Event) -> Option<Change> {
        let Event::Proposed {
            id,
            manifest,
            digest,
            author,
            author_name,
            author_account,
            decision: _,
            expires_at,
            at,
        } = event
        else {
            return None;
        };
        Some(Change {
            id: id.clone(),
            author: author.clone(),
            author_name: author_name.clone(),
            author_account: author_account.clone(),
            manifest: manifest.as_ref().clone(),
            digest: *digest,
            state: State::Gating,
            gates: Vec::new(),
            groups: Vec::new(),
            approvals: Vec::new(),
            escalations: Vec::new(),
            glass: Vec::new(),
            hold: None,
            rollout: None,
            rollback: None,
            note: None,
            paused_by_safety: false,
            created_at: *at,
            revised_at: None,
            expires_at: *expires_at,
            updated_at: *at,
            revision: 1,
        })
    }

    /// Applies one event. Events are facts: they are applied as they come, and never refused.
    pub fn apply(&mut self, event: &Event) {
        self.updated_at = event.at();
        self.revision += 1;
        match event {
            Event::Proposed { .. } => {}
            Event::Revised { manifest, digest, at, .. } => {
                self.revised_at = Some(*at);
                self.manifest = manifest.as_ref().clone();
                self.digest = *digest;
                self.gates.clear();
                self.groups.clear();
                self.hold = None;
                self.state = State::Gating;
            }
            Event::GatesPassed { reports, groups, .. } => {
                self.gates = reports.clone();
                self.groups = groups.clone();
                self.state = State::Approving;
            }
            Event::GatesRejudged { reports, groups, .. } => {
                self.gates = reports.clone();
                self.groups = groups.clone();
            }
            Event::GatesFailed { reports, groups, .. } => {
                self.note = Some(refused_by(reports, groups));
                self.gates = reports.clone();
                self.groups = groups.clone();
                self.state = State::Rejected;
            }
            Event::Approved { approval, .. } | Event::Objected { approval, .. } => {
                self.approvals.push(approval.clone());
            }
            Event::Escalated { escalation, .. } => self.escalations.push(escalation.clone()),
            Event::GlassBroken { glass, .. } => self.glass.push(glass.clone()),
            Event::Rejected { approval, .. } => {
                self.note = Some(format!("{}: {}", approval.name, approval.reason));
                self.approvals.push(approval.clone());
                self.hold = None;
                self.state = State::Rejected;
            }
            Event::Cancelled { reason, .. } => {
                self.note = Some(reason.clone());
                self.hold = None;
                self.state = State::Cancelled;
            }
            Event::Expired { .. } => {
                self.hold = None;
                self.state = State::Expired;
            }
            Event::Admitted { at, .. } => {
                self.hold = None;
                self.rollout = Some(Rollout {
                    admitted_at: *at,
                    stages: Vec::new(),
                    settled_at: None,
                    promoted: false,
                    health: Vec::new(),
                });
                self.state = State::RollingOut;
            }
            Event::Overtaken { reason, .. } => {
                self.note = Some(reason.clone());
                self.hold = None;
                self.state = State::Rejected;
            }
            Event::Held { hold, .. } => self.hold = Some(hold.clone()),
            Event::Resumed { .. } => {
                self.note = None;
                self.paused_by_safety = false;
                self.state = State::RollingOut;
            }
            Event::Paused { by_safety, reason, .. } => {
                self.note = Some(reason.clone());
                self.paused_by_safety = *by_safety;
                self.hold = None;
                self.state = State::Paused;
            }
            Event::RollbackBegun { cause, .. } => {
                self.rollback = Some(cause.clone());
                self.hold = None;
                self.note = None;
                self.paused_by_safety = false;
                self.state = State::RollingBack;
            }
            Event::RolledBack { .. } => self.state = State::RolledBack,
            Event::Completed { .. } => {
                self.hold = None;
                self.state = State::Completed;
            }
            Event::StageEntered { .. }
            | Event::StageSettled { .. }
            | Event::StageReopened { .. }
            | Event::Judged { .. }
            | Event::Promoted { .. } => self.apply_to_rollout(event),
        }
    }

    fn apply_to_rollout(&mut self, event: &Event) {
        let Some(rollout) = &mut self.rollout else { return };
        match event {
            Event::StageEntered { stage, .. } => {
                rollout.stages.push(stage.clone());
                rollout.settled_at = None;
                rollout.promoted = false;
                self.hold = None;
            }
            Event::StageSettled { at, .. } => rollout.settled_at = Some(*at),
            Event::StageReopened { .. } => rollout.settled_at = None,
            Event::Judged { verdicts, .. } => rollout.health = verdicts.clone(),
            Event::Promoted { .. } => rollout.promoted = true,
            _ => {}
        }
    }
}

fn refused_by(reports: &[GateReport], groups: &[GroupReport]) -> String {
    let gates = reports.iter().filter(|report| report.blocks()).map(GateReport::called);
    let groups = groups.iter().filter(|group| group.blocks()).map(|group| group.name.as_str());
    format!("refused by {}", gates.chain(groups).collect::<Vec<_>>().join(", "))
}
