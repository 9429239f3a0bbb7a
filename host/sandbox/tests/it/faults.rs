//! Section W of the fault catalogue: each ends in a reason of its own, and the next call is clean.

use std::sync::Arc;

use interlock_sandbox::types::{Change, Request};
use interlock_sandbox::{InstallError, Limits, NoEvidence, PluginError};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::limits::{Hundred, SilentAfter};
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

#[tokio::test]
async fn every_fault_of_a_tenants_call_leaves_the_other_tenants_call_as_it_is() {
    // Each writes its `now` where the next call would find it, and then does its worst.
    let note = format!("(i32.store (i32.const 16) {})", now());
    let found = "(if (i32.load (i32.const 16)) (then (unreachable)))";
    for worst in
        ["(unreachable)", FOR_EVER, "(call $deep)", "(drop (memory.grow (i32.const 65000))) (unreachable)"]
    {
        let body = format!("{found} {note} (if (i32.ne {} (i32.const 1)) (then {worst})) $pass", now());
        let guest = Guest::gate(&body).with(|g| g.fields = "(func $deep (call $deep) (call $deep))".into());
        let plugin = install(Limits { instances_max: 1, ..small() }, guest).await;
        let of = |tenant: &str, now| {
            let change = Change { tenant: tenant.into(), ..change().as_ref().clone() };
            Request::Evaluate { change: Arc::new(change), settings: "{}".into(), now }
        };
        for round in 0..5 {
            let bad = plugin.call(of("acme", 7 + round), Arc::new(NoEvidence)).await;
            assert!(bad.outcome.is_err(), "{worst}");
            let good = plugin.call(of("mercy", 1), Arc::new(NoEvidence)).await;
            assert_eq!(good.outcome, Ok(pass()), "{worst}: something of `acme` was left");
        }
    }
}

#[tokio::test]
async fn a_trap_after_log_and_evidence_keeps_their_record() {
    let mut guest = Guest::new("compliance-gate");
    let (at, len) = guest.text("artifact");
    guest.imports = format!("{LOG}\n{FETCH}");
    let body = format!(
        "(call $log (i32.const 1) (i32.const {at}) (i32.const {len}))
         (call $fetch (i32.const {at}) (i32.const {len}) (i32.const {at}) (i32.const {len}) (call $alloc (i32.const 48)))
         (unreachable)"
    );
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    let plugin = install(small(), guest).await;
    let call = plugin.call(evaluate(0), Arc::new(Hundred)).await;
    assert_eq!(call.outcome.as_ref().unwrap_err().code(), "trapped");
    assert_eq!((call.transcript.logs.len(), call.transcript.evidence.len()), (1, 1));
    assert!(plugin.replay(&call.record().unwrap()).await.identical);
}

#[tokio::test]
async fn a_table_bomb_is_refused_and_named() {
    let bomb = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 9000000)) (i32.const -1)) (then (unreachable)))";
    let guest = moody(bomb).with(|g| g.fields = "(table $t 1 funcref)".into());
    let expected = PluginError::TableExceeded { table_elements_max: 100_000, wanted: 9_000_001 };
    check(small(), guest, expected).await;
}

#[tokio::test]
async fn memory_in_many_small_bites_counts_as_one() {
    let bites = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    let plugin = install(small(), moody(bites)).await;
    let call = ask(&plugin, 0).await;
    assert_eq!(call.outcome.unwrap_err().code(), "memory-exceeded");
    assert_eq!(call.transcript.memory_bytes_peak, 64 << 20);
    assert_eq!(ask(&plugin, 1).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn one_instruction_over_all_memory_is_within_the_time_of_a_tick() {
    // Not interruptible, which is why memory has a limit. The fuel is what ends it in the end.
    let fill = "(drop (memory.grow (i32.const 1000)))
        (loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65000000)) (br $l)) (unreachable)";
    let limits = Limits { fuel_max: 1 << 52, deadline_ms: 50, ..small() };
    check(limits, moody(fill), PluginError::TimedOut { after_ms: 50 }).await;
}

#[tokio::test]
async fn a_flood_of_look_ups_is_stopped() {
    let plugin = install(small(), crate::limits::asking()).await;
    let call = plugin.call(evaluate(100_000), Arc::new(NoEvidence)).await;
    assert_eq!(call.outcome, Err(PluginError::HostCallsExceeded { host_calls_max: 1_000 }));
    assert_eq!((call.transcript.host_calls, call.transcript.evidence.len()), (1_000, 1_000));
}

#[tokio::test]
async fn a_key_as_long_as_memory_is_too_much_output() {
    let mut guest = Guest::new("compliance-gate");
    let (at, len) = guest.text("artifact");
    guest.imports = FETCH.into();
    let body = format!(
        "(if (i32.eqz {}) (then
           (drop (memory.grow (i32.const 100)))
           (memory.fill (i32.const 131072) (i32.const 97) (i32.const 6000000))
           (call $fetch (i32.const {at}) (i32.const {len}) (i32.const 131072) (i32.const 6000000) (call $alloc (i32.const 48)))))
         $pass",
        now()
    );
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    let output_bytes_max = small().output_bytes_max;
    check(small(), guest, PluginError::OutputTooLarge { output_bytes_max }).await;
}

#[tokio::test]
async fn a_list_that_claims_millions_of_findings_is_never_allocated() {
    // All of it lies within memory, so the pointers are good; every finding is the same 28 bytes of zeros.
    let mut guest = Guest::new("compliance-gate");
    let bad = guest.words(&[0, 1, 131_072, 200_000]);
    let body = format!(
        "(if (i32.eqz {}) (then (drop (memory.grow (i32.const 100))) (return (i32.const {bad})))) $pass",
        now()
    );
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    let output_bytes_max = small().output_bytes_max;
    check(small(), guest, PluginError::OutputTooLarge { output_bytes_max }).await;
}

#[tokio::test]
async fn a_source_that_hangs_ends_with_its_call_and_leaves_no_instance_taken() {
    let limits = Limits { instances_max: 1, call_timeout_ms: 30, ..small() };
    let plugin = install(limits, crate::limits::asking()).await;
    for _ in 0..3 {
        let call = plugin.call(evaluate(1), Arc::new(SilentAfter::new(0))).await;
        assert_eq!(call.outcome, Err(PluginError::CallTimedOut { after_ms: 30 }));
        assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_at_once_give_what_one_alone_gives_down_to_the_fuel() {
    let plugin = install(Limits { instances_max: 64, ..small() }, moody("(unreachable)")).await;
    let alone = [ask(&plugin, 0).await, ask(&plugin, 1).await];
    let calls: Vec<_> = (0..256)
        .map(|number| {
            let plugin = Arc::clone(&plugin);
            tokio::spawn(async move { (number, ask(&plugin, number % 2).await) })
        })
        .collect();
    for call in calls {
        let (number, call) = call.await.unwrap();
        let one = &alone[usize::try_from(number % 2).unwrap()];
        assert_eq!(call.outcome, one.outcome);
        assert_eq!(call.transcript.fuel, one.transcript.fuel);
    }
}

#[tokio::test]
async fn a_component_with_thousands_of_exports_and_types_is_taken_or_refused_and_never_hangs() {
    let many = |count: usize| {
        let functions: String = (0..count)
            .map(|number| format!("export extra{number}: func(a: tuple<u8, u{}>);\n", 8 << (number % 4)))
            .collect();
        let guest = passing().with(|g| {
            g.wit += &format!("world odd {{ export plugin; export gate; {functions} }}");
            g.world = "odd";
            g.exports += &(0..count)
                .map(|number| {
                    let wide = if number % 4 == 3 { "i64" } else { "i32" };
                    format!("(func (export \"extra{number}\") (param i32 {wide}))")
                })
                .collect::<String>();
        });
        guest.build()
    };
    let plugin = sandbox(small()).install(many(900)).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn a_component_of_many_modules_and_memories_is_refused_at_installation() {
    let fields: String = (0..5).map(|number| format!("(memory $m{number} 1)")).collect();
    let error = refusal(passing().with(|g| g.fields = fields)).await;
    assert!(matches!(&error, InstallError::Compile { reason } if reason.contains("memories")), "{error}");

    let tables: String = (0..9).map(|number| format!("(table $t{number} 1 funcref)")).collect();
    let error = refusal(passing().with(|g| g.fields = tables)).await;
    assert!(matches!(&error, InstallError::Compile { reason } if reason.contains("tables")), "{error}");
}

#[tokio::test]
async fn a_component_that_is_cut_off_anywhere_or_has_a_byte_changed_is_refused_or_runs_as_bounded() {
    let good = passing().build();
    let sandbox = sandbox(small());
    for length in (0..good.len()).step_by(good.len() / 40) {
        let error = sandbox.install(good[..length].to_vec()).await.unwrap_err();
        let codes = ["does-not-compile", "no-world", "missing-exports", "contract"];
        assert!(codes.contains(&error.code()), "{length}: {error}");
    }
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        // Some bytes are names of no meaning; whatever installs is as bounded as any.
        if let Ok(plugin) = sandbox.install(bad).await {
            let _ = ask(&plugin, 0).await;
        }
    }
    let plugin = sandbox.install(good).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn a_start_function_that_traps_or_asks_the_host_is_caught_at_installation() {
    let start = |body: &str, imports: &str| {
        passing().with(|g| {
            g.imports = imports.into();
            g.fields = format!("(func $start {body}) (start $start)");
        })
    };
    let error = refusal(start("(unreachable)", "")).await;
    assert!(matches!(&error, InstallError::SmokeTest(PluginError::Trapped { .. })), "{error}");
    let flood = "(loop $l (call $log (i32.const 0) (i32.const 8) (i32.const 0)) (br $l))";
    let error = refusal(start(flood, LOG)).await;
    assert_eq!(error.code(), "smoke-test", "{error}");
    let bomb = "(if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then (unreachable)))";
    let error = refusal(start(bomb, "")).await;
    assert!(matches!(&error, InstallError::SmokeTest(PluginError::MemoryExceeded { .. })), "{error}");
}
