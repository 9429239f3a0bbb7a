//! Assignments, told as sentences.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn assignment(state: AssignmentState) -> Assignment {
    Assignment {
        tenant: "mercy".parse().unwrap(),
        change: ChangeId::new(Uuid::from_u128(1)),
        device: "pump-1".parse().unwrap(),
        rank: 0,
        state,
        action: 14,
        artifact: Digest::of(b"2.0"),
        version: "2.0".to_owned(),
        version_before: Some("1.0".to_owned()),
        artifact_before: Some(Digest::of(b"1.0")),
        begun: false,
        answered_back: false,
        touched_at: at(0),
        detail: String::new(),
        revision: 1,
    }
}

fn says(execution: Execution, finished: Finished) -> Feedback {
    Feedback { execution, finished, details: vec!["because".to_owned()] }
}

/// How long a device may take to restart.
const RESTART_MS: i64 = 1_000;
/// Later than that.
const RESTARTED: i64 = 1_001;

fn reports(
    assignment: &Assignment,
    version: Option<&str>,
    health: Option<DeviceHealth>,
    ms: i64,
) -> Option<AssignmentTransition> {
    assignment.reported(&DeviceReport { version, health, restart_ms: RESTART_MS }, at(ms))
}

/// Walks an assignment through a sentence: `poll`, `fetch`, `success`, `failure`, `reports 2.0`, …
fn walk(sentence: &str) -> String {
    let mut assignment = assignment(AssignmentState::Offered);
    for step in sentence.split("; ") {
        let stepped = match step {
            "fetches" => Ok(assignment.fetched(at(1))),
            "proceeds" => assignment.feedback(14, &says(Execution::Proceeding, Finished::None), at(1)),
            "success" => assignment.feedback(14, &says(Execution::Closed, Finished::Success), at(1)),
            "closed without result" => {
                assignment.feedback(14, &says(Execution::Closed, Finished::None), at(1))
            }
            "failure" => assignment.feedback(14, &says(Execution::Closed, Finished::Failure), at(1)),
            "restored" => assignment.feedback(15, &says(Execution::Closed, Finished::Success), at(1)),
            "restore fails" => assignment.feedback(15, &says(Execution::Closed, Finished::Failure), at(1)),
            "stopped" => assignment.cancel_feedback(14, &says(Execution::Closed, Finished::Success), at(1)),
            "too late to stop" => {
                assignment.cancel_feedback(14, &says(Execution::Rejected, Finished::None), at(1))
            }
            "reports 2.0" => Ok(reports(&assignment, Some("2.0"), None, RESTARTED)),
            "reports 2.0, critical" => {
                Ok(reports(&assignment, Some("2.0"), Some(DeviceHealth::Critical), RESTARTED))
            }
            "reports 1.0" => Ok(reports(&assignment, Some("1.0"), Some(DeviceHealth::Ok), RESTARTED)),
            "reports 1.0 at once" => Ok(reports(&assignment, Some("1.0"), None, 1)),
            "reports 2.0 at once" => Ok(reports(&assignment, Some("2.0"), None, 1)),
            "reports critical health" => {
                Ok(reports(&assignment, None, Some(DeviceHealth::Critical), RESTARTED))
            }
            "reports good health" => Ok(reports(&assignment, None, Some(DeviceHealth::Ok), RESTARTED)),
            "silence" => Ok(assignment.silence(false, at(1))),
            "recall" => Ok(assignment.recall(false, false, at(1))),
            "recall in turn" => Ok(assignment.recall(false, true, at(1))),
            "turn" => Ok(assignment.restore(at(1))),
            "recall after a later change" => Ok(assignment.recall(true, false, at(1))),
            other => panic!("no such step: {other}"),
        };
        match stepped {
            Ok(Some(transition)) => assignment = transition.assignment,
            Ok(None) => {}
            Err(refusal) => return format!("refused: {refusal}"),
        }
    }
    assignment.state.to_string()
}

#[test]
fn installed_is_not_verified() {
    assert_eq!(walk("fetches; proceeds; success"), "installed");
    assert_eq!(walk("fetches; proceeds; success; reports 2.0"), "verified");
}

#[test]
fn a_device_that_says_success_and_reports_the_old_version_has_failed() {
    assert_eq!(walk("proceeds; success; reports 1.0"), "failed");
}

#[test]
fn the_new_version_with_critical_health_is_a_failure() {
    assert_eq!(walk("proceeds; success; reports 2.0, critical"), "failed");
    assert_eq!(walk("proceeds; success; reports 2.0; reports 2.0, critical"), "failed");
}

#[test]
fn closed_without_a_result_is_no_success_until_the_version_says_so() {
    assert_eq!(walk("proceeds; closed without result"), "installed");
    assert_eq!(walk("proceeds; closed without result; reports 1.0"), "failed");
}

#[test]
fn old_feedback_for_a_closed_action_is_refused() {
    assert_eq!(walk("proceeds; success; success"), "refused: action 14 of device `pump-1` is closed");
    assert_eq!(walk("failure; success"), "refused: action 14 of device `pump-1` is closed");
}

#[test]
fn a_silent_device_that_comes_back_goes_on() {
    assert_eq!(walk("silence"), "silent");
    assert_eq!(walk("silence; fetches; proceeds; success; reports 2.0"), "verified");
}

#[test]
fn a_device_that_says_success_before_it_restarts_is_given_time() {
    assert_eq!(walk("proceeds; success; reports 1.0 at once"), "installed");
    assert_eq!(walk("proceeds; success; reports 1.0 at once; reports 2.0"), "verified");
    assert_eq!(walk("proceeds; success; reports 1.0 at once; reports 1.0"), "failed");
}

#[test]
fn what_a_device_does_not_mention_decides_nothing() {
    assert_eq!(walk("proceeds; success; reports good health"), "installed");
    assert_eq!(walk("proceeds; success; reports 2.0; reports good health"), "verified");
    assert_eq!(walk("proceeds; success; reports 2.0; reports critical health"), "failed");
    assert_eq!(walk("failure; recall; reports good health"), "confirming");
}

#[test]
fn a_device_that_restarts_into_the_new_version_after_all_is_brought_back() {
    // Recalled before it restarted: whatever it runs now is not where it will be.
    assert_eq!(walk("proceeds; success; recall"), "restoring");
    assert_eq!(walk("proceeds; recall; success"), "restoring");
    assert_eq!(walk("proceeds; recall; stopped; reports 1.0; reports 2.0"), "restoring");
    assert_eq!(walk("proceeds; recall; too late to stop; reports 1.0"), "cancelling");
    assert_eq!(walk("proceeds; recall; too late to stop; reports 2.0; restored; reports 1.0"), "rolled_back");
}

#[test]
fn a_way_back_that_does_not_take_ends() {
    let given_back = "proceeds; success; reports 2.0; recall; restored";
    assert_eq!(walk(&format!("{given_back}; reports 2.0 at once")), "confirming");
    assert_eq!(walk(&format!("{given_back}; reports 2.0")), "rollback_failed");
    assert_eq!(walk(&format!("{given_back}; reports 2.0; reports 1.0")), "rolled_back");
}

#[test]
fn a_recalled_device_is_back_only_when_it_reports_its_old_version() {
    assert_eq!(walk("proceeds; success; reports 2.0; recall"), "restoring");
    assert_eq!(walk("proceeds; success; reports 2.0; recall; restored"), "confirming");
    assert_eq!(walk("proceeds; success; reports 2.0; recall; restored; reports 1.0"), "rolled_back");
}

#[test]
fn a_device_at_rest_is_restored_when_it_is_its_turn() {
    let verified = "proceeds; success; reports 2.0";
    assert_eq!(walk(&format!("{verified}; recall in turn")), "recalled");
    assert_eq!(walk(&format!("{verified}; recall in turn; reports 2.0")), "recalled");
    assert_eq!(walk(&format!("{verified}; recall in turn; turn; restored; reports 1.0")), "rolled_back");
    // Somebody was there before.
    assert_eq!(walk(&format!("{verified}; recall in turn; reports 1.0")), "rolled_back");
    assert_eq!(walk(&format!("{verified}; recall in turn; turn; turn")), "restoring");
    // What is under way goes on at once: it has its place.
    assert_eq!(walk("proceeds; success; recall in turn"), "restoring");
    assert_eq!(walk("proceeds; recall in turn"), "cancelling");
    assert_eq!(walk("failure; recall in turn; turn"), "confirming");
}

#[test]
fn a_target_that_may_be_down_takes_a_place_and_one_at_rest_does_not() {
    use AssignmentState as S;
    let taking = |back| S::ALL.into_iter().filter(move |state| state.takes_a_place(back)).collect::<Vec<_>>();
    assert_eq!(taking(true), [S::Cancelling, S::Confirming, S::Restoring]);
    assert_eq!(
        taking(false),
        [
            S::Offered,
            S::Downloading,
            S::Installing,
            S::Installed,
            S::Failed,
            S::Silent,
            S::Cancelling,
            S::Confirming,
            S::Restoring,
            S::RollbackFailed,
        ]
    );
}

#[test]
fn a_recalled_device_that_has_not_finished_is_stopped_first() {
    assert_eq!(walk("proceeds; recall"), "cancelling");
    assert_eq!(walk("proceeds; recall; stopped; reports 1.0"), "rolled_back");
    assert_eq!(walk("proceeds; recall; too late to stop; reports 2.0"), "restoring");
    assert_eq!(walk("proceeds; recall; success; reports 2.0"), "restoring");
}

#[test]
fn a_target_that_a_later_change_took_over_is_left_there() {
    assert_eq!(walk("proceeds; success; reports 2.0; recall after a later change"), "superseded");
    assert_eq!(walk("failure; recall after a later change"), "superseded");
    assert_eq!(walk("proceeds; recall after a later change"), "cancelling");
}

#[test]
fn a_failed_way_back_is_a_state_of_its_own() {
    let refused = "proceeds; success; reports 2.0; recall; restore fails";
    assert_eq!(walk(refused), "confirming");
    assert_eq!(walk(&format!("{refused}; reports 2.0")), "rollback_failed");
    // A client may refuse to install what it runs already.
    assert_eq!(walk(&format!("{refused}; reports 1.0")), "rolled_back");
}

#[test]
fn without_an_old_artifact_a_person_is_needed() {
    let mut verified = assignment(AssignmentState::Verified);
    verified.artifact_before = None;
    let recalled = verified.recall(false, false, at(1)).unwrap();
    assert_eq!(recalled.assignment.state, AssignmentState::RollbackFailed);
    let recalled = verified.recall(false, true, at(1)).unwrap();
    assert_eq!(recalled.assignment.state, AssignmentState::RollbackFailed, "also before its turn");
}

#[test]
fn a_paused_rollout_offers_nothing_new_but_keeps_what_has_begun_visible() {
    assert_eq!(assignment(AssignmentState::Offered).offer(true), Offer::Nothing);
    assert!(matches!(assignment(AssignmentState::Installing).offer(true), Offer::Deploy { action: 14, .. }));
    // One that fell silent shows what it had begun, and nothing when it had not.
    assert_eq!(
        assignment(AssignmentState::Offered).silence(false, at(1)).unwrap().assignment.offer(true),
        Offer::Nothing
    );
    let begun = assignment(AssignmentState::Offered).fetched(at(1)).unwrap().assignment;
    let silent = begun.silence(false, at(2)).unwrap().assignment;
    assert!(matches!(silent.offer(true), Offer::Deploy { action: 14, .. }));
}

#[test]
fn feedback_for_another_action_is_refused() {
    let refused = assignment(AssignmentState::Installing).feedback(
        99,
        &says(Execution::Closed, Finished::Success),
        at(1),
    );
    assert_eq!(refused.unwrap_err().to_string(), "device `pump-1` has no action 99");
}

fn any_feedback() -> impl Strategy<Value = Feedback> {
    let executions = [
        Execution::Closed,
        Execution::Proceeding,
        Execution::Canceled,
        Execution::Scheduled,
        Execution::Rejected,
        Execution::Resumed,
        Execution::Downloaded,
        Execution::Download,
    ];
    let results = [Finished::Success, Finished::Failure, Finished::None];
    (proptest::sample::select(executions.to_vec()), proptest::sample::select(results.to_vec()))
        .prop_map(|(execution, finished)| says(execution, finished))
}

proptest! {
    /// Whatever a device says of its actions, only a report of its version makes it verified or rolled back.
    #[test]
    fn feedback_alone_never_verifies(state in 0..AssignmentState::ALL.len(), action in prop_oneof![Just(14u32), Just(15), Just(3)], feedback in any_feedback()) {
        let before = assignment(AssignmentState::ALL[state]);
        if let Ok(Some(transition)) = before.feedback(action, &feedback, at(1)) {
            prop_assert!(transition.assignment.state != AssignmentState::Verified);
            prop_assert!(transition.assignment.state != AssignmentState::RolledBack);
            prop_assert_eq!(transition.assignment.revision, before.revision + 1);
            prop_assert_eq!(transition.event.from, before.state);
        }
    }

    /// A target that is on its way back never goes forward again.
    #[test]
    fn nobody_turns_round_on_the_way_back(state in 0..AssignmentState::ALL.len(), feedback in any_feedback(), version in prop_oneof![Just("1.0"), Just("2.0"), Just("9")]) {
        let before = assignment(AssignmentState::ALL[state]);
        prop_assume!(before.state.is_returning() || before.state == AssignmentState::RolledBack);
        let steps = [
            before.feedback(14, &feedback, at(1)).ok().flatten(),
            before.feedback(15, &feedback, at(1)).ok().flatten(),
            before.cancel_feedback(14, &feedback, at(1)).ok().flatten(),
            reports(&before, Some(version), Some(DeviceHealth::Ok), RESTARTED),
            before.silence(false, at(1)),
            before.fetched(at(1)),
        ];
        for transition in steps.into_iter().flatten() {
            let to = transition.assignment.state;
            prop_assert!(!to.is_advancing() && to != AssignmentState::Verified, "went to {}", to);
        }
    }
}
