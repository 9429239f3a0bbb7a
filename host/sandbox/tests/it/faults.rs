//! Section W of the fault catalogue: each ends in a reason of its own, and the next call is clean.

use std::sync::Arc;

use interlock_sandbox::types::Request;
use interlock_sandbox::{InstallError, Limits, NoEvidence, PluginError};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::*;

const FOR_EVER: &str = "(loop $l (br $l)) (unreachable)";

/// Misbehaves when `now` is 0, passes otherwise.
fn moody(misbehaviour: &str) -> Guest {
    Guest::gate(&format!("(if (i32.eqz {}) (then {misbehaviour})) $pass", now()))
}

/// Calls badly, then well, then badly again, and compares.
async fn check(limits: Limits, guest: Guest, expected: PluginError) {
    let plugin = install(limits, guest).await;
    assert_eq!(error(&plugin, 0).await, expected);
    assert_eq!(ask(&plugin, 1).await.outcome, Ok(pass()), "the next call is harmed");
    assert_eq!(error(&plugin, 0).await, expected);
    assert_eq!(ask(&plugin, 1).await.outcome, Ok(pass()), "the next call is harmed");
}

#[tokio::test]
async fn an_endless_loop_runs_out_of_fuel() {
    check(small(), moody(FOR_EVER), PluginError::OutOfFuel { fuel_max: 50_000_000 }).await;
}

#[tokio::test]
async fn an_endless_loop_with_endless_fuel_is_interrupted() {
    let limits = Limits { fuel_max: 1 << 52, deadline_ms: 50, ..small() };
    check(limits, moody(FOR_EVER), PluginError::TimedOut { after_ms: 50 }).await;
}

#[tokio::test]
async fn a_loop_in_a_start_function_is_caught_at_installation() {
    let spin = || passing().with(|g| g.fields = format!("(func $spin {FOR_EVER}) (start $spin)"));
    let error = refusal(spin()).await;
    assert!(matches!(error, InstallError::SmokeTest(PluginError::OutOfFuel { .. })), "{error}");

    let limits = Limits { fuel_max: 1 << 52, deadline_ms: 50, ..small() };
    let error = sandbox(limits).install(spin().build()).await.unwrap_err();
    assert!(matches!(error, InstallError::SmokeTest(PluginError::TimedOut { after_ms: 50 })), "{error}");
}

#[tokio::test]
async fn a_memory_bomb_is_refused_and_named() {
    let bomb = "(if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then (unreachable)))";
    let wanted_bytes = (2 + 65_000) * 65_536;
    check(small(), moody(bomb), PluginError::MemoryExceeded { memory_bytes_max: 64 << 20, wanted_bytes })
        .await;
}

#[tokio::test]
async fn a_memory_of_one_gibibyte_is_refused_at_installation() {
    let guest = passing().with(|g| g.memory = "(memory (export \"memory\") 16384)".into());
    let error = refusal(guest).await;
    assert!(
        matches!(&error, InstallError::Compile { reason } if reason.contains("exceeds the limit")),
        "{error}"
    );
}

#[tokio::test]
async fn a_table_of_nine_million_is_refused_at_installation() {
    let error = refusal(passing().with(|g| g.fields = "(table 9000000 funcref)".into())).await;
    assert!(
        matches!(&error, InstallError::Compile { reason } if reason.contains("exceeds the limit")),
        "{error}"
    );
}

#[tokio::test]
async fn endless_recursion_is_a_stack_overflow() {
    let guest = moody("(call $deep)").with(|g| g.fields = "(func $deep (call $deep) (call $deep))".into());
    check(small(), guest, PluginError::StackOverflow).await;
}

#[tokio::test]
async fn a_flood_of_host_calls_is_stopped() {
    let flood = "(loop $l (call $log (i32.const 0) (i32.const 8) (i32.const 0)) (br $l))";
    let guest = moody(flood).with(|g| g.imports = LOG.into());
    check(small(), guest, PluginError::HostCallsExceeded { host_calls_max: 1_000 }).await;
}

#[tokio::test]
async fn a_trap_has_its_reason() {
    let reason = |text: &str| PluginError::Trapped { reason: format!("wasm trap: {text}") };
    check(small(), moody("(unreachable)"), reason("wasm `unreachable` instruction executed")).await;
    let far = "(drop (i32.load (i32.const 0x7fff0000)))";
    check(small(), moody(far), reason("out of bounds memory access")).await;
    check(small(), moody("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), reason("integer divide by zero"))
        .await;
}

/// Answers `ok(warn, list at this address with this length)`.
fn pointing(address: u32, length: u32) -> Guest {
    let mut guest = Guest::new("compliance-gate");
    let bad = guest.words(&[0, 1, address, length]);
    let body = format!("(if (i32.eqz {}) (then (return (i32.const {bad})))) $pass", now());
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    guest
}

#[tokio::test]
async fn pointers_outside_of_memory_are_caught() {
    for (address, length) in [(0x7fff_0000, 1), (8, u32::MAX), (0xffff_fff8, 0x1000_0000), (131_072, 1)] {
        let plugin = install(small(), pointing(address, length)).await;
        let code = error(&plugin, 0).await.code();
        assert!(
            ["bad-output", "trapped", "output-too-large"].contains(&code),
            "{address:#x}+{length}: {code}"
        );
        assert_eq!(ask(&plugin, 1).await.outcome, Ok(pass()));
    }
    for result_pointer in [-8, 131_070] {
        let plugin = install(small(), moody(&format!("(return (i32.const {result_pointer}))"))).await;
        let code = error(&plugin, 0).await.code();
        assert!(["bad-output", "trapped"].contains(&code), "{code}");
        assert_eq!(ask(&plugin, 1).await.outcome, Ok(pass()));
    }
}

#[tokio::test]
async fn pointers_given_to_the_host_are_checked_too() {
    for (address, length) in [(0x7fff_0000_u32, 1_u32), (131_071, 2), (0xffff_ffff, 8)] {
        let log = format!("(call $log (i32.const 0) (i32.const {address}) (i32.const {length}))");
        let plugin = install(small(), moody(&log).with(|g| g.imports = LOG.into())).await;
        let code = error(&plugin, 0).await.code();
        assert!(["bad-output", "trapped"].contains(&code), "{code}");
        assert_eq!(ask(&plugin, 1).await.outcome, Ok(pass()));
    }
}

#[tokio::test]
async fn text_that_is_no_utf8_and_cases_that_do_not_exist_are_bad_output() {
    let mut guest = Guest::new("compliance-gate");
    let bytes = guest.words(&[0xffff_fffe]);
    let finding = guest.words(&[bytes as u32, 4, 0, bytes as u32, 4, 8, 0]);
    let bad_text = guest.words(&[0, 1, finding as u32, 1]);
    let bad_case = guest.words(&[0, 7, 8, 0]);
    let body = format!(
        "(if (i32.eqz {0}) (then (return (i32.const {bad_text}))))
         (if (i32.eq {0} (i32.const 1)) (then (return (i32.const {bad_case})))) $pass",
        now()
    );
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    let plugin = install(small(), guest).await;
    for now in [0, 1] {
        assert_eq!(error(&plugin, now).await.code(), "bad-output");
    }
    assert_eq!(ask(&plugin, 2).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn an_answer_against_the_contract_is_bad_output() {
    // `hold`, then `fail`.
    for outcome in [2, 3] {
        let mut guest = Guest::new("compliance-gate");
        let verdict = guest.words(&[0, outcome, 8, 0]);
        guest.export("gate", "evaluate", "(param $in i32) (result i32)", &format!("(i32.const {verdict})"));
        let plugin = install(small(), guest).await;
        let reason = "`hold` and `fail` need at least one finding".to_owned();
        assert_eq!(error(&plugin, 0).await, PluginError::BadOutput { reason });
    }
}

#[tokio::test]
async fn a_fault_of_the_guest_is_told_apart() {
    let mut guest = Guest::new("compliance-gate");
    let (at, len) = guest.text("/days: too few");
    let fault = guest.words(&[1, 0, at as u32, len as u32]);
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &format!("(i32.const {fault})"));
    let plugin = install(small(), guest).await;
    let error = error(&plugin, 0).await;
    assert_eq!(error.code(), "fault-settings");
    let text = "the plugin could not answer: its settings do not fit: /days: too few";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn no_state_is_left_for_the_next_call() {
    // Passes only when its own memory and globals are as they were at the start, then dirties both.
    let body = "(if (i32.or (i32.load (i32.const 16)) (global.get $dirty)) (then (unreachable)))
        (i32.store (i32.const 16) (i32.const 1)) (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536))
        (global.set $dirty (i32.const 1)) $pass";
    let guest = Guest::gate(body).with(|g| g.fields = "(global $dirty (mut i32) (i32.const 0))".into());
    let plugin = install(Limits { instances_max: 1, ..small() }, guest).await;
    for _ in 0..20 {
        assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
    }
}

#[tokio::test]
async fn a_looping_guest_lets_other_tasks_run() {
    let limits = Limits { fuel_max: 1 << 52, deadline_ms: 200, ..small() };
    let plugin = install(limits, moody(FOR_EVER)).await;
    // One thread: without yielding, the second call could only answer after the first had ended.
    let (first, second) =
        tokio::join!(async { (error(&plugin, 0).await, std::time::Instant::now()) }, async {
            (ask(&plugin, 1).await.outcome, std::time::Instant::now())
        },);
    assert_eq!(first.0, PluginError::TimedOut { after_ms: 200 });
    assert_eq!(second.0, Ok(pass()));
    assert!(second.1 < first.1);
}

#[tokio::test]
async fn a_call_that_is_dropped_midway_harms_nobody() {
    let limits = Limits { fuel_max: 1 << 52, deadline_ms: 5_000, instances_max: 1, ..small() };
    let plugin = install(limits, moody(FOR_EVER)).await;
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = ask(&plugin, 0) => unreachable!("it loops"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(ask(&plugin, 1).await.outcome, Ok(pass()), "its instance must be free again");
}

#[tokio::test]
async fn a_question_of_another_world_is_refused_by_name() {
    let plugin = install(small(), passing()).await;
    let request = Request::Needs { change: change(), settings: "{}".into() };
    let error = plugin.call(request, Arc::new(NoEvidence)).await.outcome.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a compliance-gate does not answer `needs`: ask a plugin of the right kind"
    );
}

/// Takes the settings' text for the result's memory, pointers and all.
fn parrot() -> Guest {
    Guest::gate(&format!(
        "(local $at i32)
         (local.set $at (call $alloc (i32.const 64)))
         (memory.copy (local.get $at)
           (i32.load offset={SETTINGS_POINTER} (local.get $in)) (i32.load offset={SETTINGS_LENGTH} (local.get $in)))
         (local.get $at)"
    ))
}

#[test]
fn whatever_the_guest_leaves_in_memory_the_host_gets_an_answer_or_a_reason() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plugin = runtime.block_on(install(small(), parrot()));
    let small_numbers = prop::collection::vec(prop_oneof![0_u8..4, 0_u8..128], 0..64);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&small_numbers, |bytes| {
        let settings = String::from_utf8(bytes).unwrap();
        let request = Request::Evaluate { change: change(), settings, now: 0 };
        let call = runtime.block_on(plugin.call(request, Arc::new(NoEvidence)));
        if let Err(error) = &call.outcome {
            let known = [
                "bad-output",
                "trapped",
                "output-too-large",
                "fault-settings",
                "fault-evidence",
                "fault-internal",
            ];
            prop_assert!(known.contains(&error.code()), "{error}");
        }
        let record = call.record().unwrap();
        prop_assert!(runtime.block_on(plugin.replay(&record)).identical);
        Ok(())
    });
    checked.unwrap();
}
