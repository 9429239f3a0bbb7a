//! Every limit, obeyed at its edge and violated one step beyond.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use interlock_sandbox::types::Finding;
use interlock_sandbox::{
    Document, EvidenceAnswer, EvidenceSource, InstallError, Limits, NoEvidence, PluginError, Refusal,
};

use crate::support::*;

/// Grows by `now` pages and gives up when it cannot.
fn growing() -> Guest {
    Guest::gate(&format!("(if (i32.eq (memory.grow {}) (i32.const -1)) (then (unreachable))) $pass", now()))
}

#[tokio::test]
async fn memory_bytes() {
    const PAGE: u64 = 65_536;
    let plugin = install(Limits { memory_bytes_max: 5 * PAGE, ..small() }, growing()).await;
    let edge = ask(&plugin, 3).await;
    assert_eq!(edge.outcome, Ok(pass()));
    assert_eq!(edge.transcript.memory_bytes_peak, 5 * PAGE);
    let beyond = PluginError::MemoryExceeded { memory_bytes_max: 5 * PAGE, wanted_bytes: 6 * PAGE };
    assert_eq!(error(&plugin, 4).await, beyond);
}

#[tokio::test]
async fn memory_bytes_over_all_memories() {
    const PAGE: u64 = 65_536;
    let guest = || passing().with(|g| g.fields = "(memory $second 3)".into());
    let plugin = install(Limits { memory_bytes_max: 5 * PAGE, ..small() }, guest()).await;
    assert_eq!(ask(&plugin, 0).await.transcript.memory_bytes_peak, 5 * PAGE);
    let error =
        sandbox(Limits { memory_bytes_max: 4 * PAGE, ..small() }).install(guest().build()).await.unwrap_err();
    assert!(matches!(error, InstallError::SmokeTest(PluginError::MemoryExceeded { .. })), "{error}");
}

#[tokio::test]
async fn memories_and_tables() {
    let guest = |memories: usize, tables: usize| {
        passing().with(|g| g.fields = "(memory 0)".repeat(memories - 1) + &"(table 1 funcref)".repeat(tables))
    };
    let limits = || Limits { memories_max: 2, tables_max: 3, ..small() };
    install(limits(), guest(2, 2)).await;
    for (memories, tables) in [(3, 0), (1, 4)] {
        let error = sandbox(limits()).install(guest(memories, tables).build()).await.unwrap_err();
        assert!(matches!(error, InstallError::Compile { .. }), "{error}");
    }
}

#[tokio::test]
async fn table_elements() {
    let body = format!(
        "(if (i32.eq (table.grow (ref.null func) {}) (i32.const -1)) (then (unreachable))) $pass",
        now()
    );
    let guest = Guest::gate(&body).with(|g| g.fields = "(table 10 funcref)".into());
    let plugin = install(Limits { table_elements_max: 100, ..small() }, guest).await;
    assert_eq!(ask(&plugin, 90).await.outcome, Ok(pass()));
    let beyond = PluginError::TableExceeded { table_elements_max: 100, wanted: 101 };
    assert_eq!(error(&plugin, 91).await, beyond);
}

#[tokio::test]
async fn fuel() {
    let guest = || Guest::gate(&format!("{} $pass", repeat("(nop)")));
    let limits = |fuel_max| Limits { fuel_max, ..small() };
    let used = ask_fresh(small(), guest(), 1_000).await.transcript.fuel;
    assert!(used > 1_000);
    assert_eq!(ask_fresh(limits(used), guest(), 1_000).await.outcome, Ok(pass()));
    // Fuel is looked at in loops and at calls: the last turn of the loop is the edge.
    let short = used - used / 500;
    let beyond = ask_fresh(limits(short), guest(), 1_000).await;
    assert_eq!(beyond.outcome, Err(PluginError::OutOfFuel { fuel_max: short }));
}

#[tokio::test]
async fn host_calls() {
    let body = format!("{} $pass", repeat("(call $log (i32.const 1) (i32.const 8) (i32.const 0))"));
    let guest = Guest::gate(&body).with(|g| g.imports = LOG.into());
    let plugin = install(Limits { host_calls_max: 10, ..small() }, guest).await;
    let edge = ask(&plugin, 10).await;
    assert_eq!((edge.outcome, edge.transcript.host_calls, edge.transcript.logs.len()), (Ok(pass()), 10, 10));
    assert_eq!(error(&plugin, 11).await, PluginError::HostCallsExceeded { host_calls_max: 10 });
}

#[tokio::test]
async fn log_bytes() {
    let body = format!(
        "(call $log (i32.const 3) (i32.const 0) (i32.const 60)) (call $log (i32.const 3) (i32.const 0) {}) $pass",
        now()
    );
    let guest = Guest::gate(&body).with(|g| g.imports = LOG.into());
    let plugin = install(Limits { log_bytes_max: 100, ..small() }, guest).await;
    assert_eq!(ask(&plugin, 40).await.outcome, Ok(pass()));
    assert_eq!(error(&plugin, 41).await, PluginError::LogExceeded { log_bytes_max: 100 });
}

#[tokio::test]
async fn output_bytes() {
    let list_element = size_of::<Finding>() as u64;
    let plugin =
        install(Limits { output_bytes_max: 4_096, ..small() }, Guest::gate(&Guest::long_verdict(&now())))
            .await;
    // One element, and one byte of code.
    let edge = 4_096 - list_element - 1;
    assert_eq!(ask(&plugin, edge).await.outcome, Ok(long(edge as usize)));
    for beyond in [edge + 1, 60_000] {
        assert_eq!(error(&plugin, beyond).await, PluginError::OutputTooLarge { output_bytes_max: 4_096 });
    }
    assert_eq!(ask(&plugin, 1).await.outcome, Ok(long(1)));
}

/// Gives 100 bytes under any key.
pub struct Hundred;

#[async_trait]
impl EvidenceSource for Hundred {
    async fn fetch(&self, _plugin: &str, _source: &str, _key: &str) -> EvidenceAnswer {
        EvidenceAnswer::Found(Document::new("text/plain", vec![b'x'; 100], 0))
    }
}

/// Looks `artifact` up as often as `now` says, and passes.
pub fn asking() -> Guest {
    let mut guest = Guest::new("compliance-gate");
    let (at, len) = guest.text("artifact");
    let look = format!(
        "(call $fetch (i32.const {at}) (i32.const {len}) (i32.const {at}) (i32.const {len}) (call $alloc (i32.const 48)))"
    );
    guest.imports = FETCH.into();
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &format!("{} $pass", repeat(&look)));
    guest
}

#[tokio::test]
async fn evidence_bytes() {
    const LOOK_UP: u64 = 100 + 2 * "artifact".len() as u64;
    let plugin = install(Limits { evidence_bytes_max: 3 * LOOK_UP, ..small() }, asking()).await;
    assert_eq!(plugin.call(evaluate(3), Arc::new(Hundred)).await.outcome, Ok(pass()));
    let beyond = plugin.call(evaluate(4), Arc::new(Hundred)).await;
    assert_eq!(beyond.outcome, Err(PluginError::EvidenceExceeded { evidence_bytes_max: 3 * LOOK_UP }));
}

/// Never answers.
struct Silence;

#[async_trait]
impl EvidenceSource for Silence {
    async fn fetch(&self, _plugin: &str, _source: &str, _key: &str) -> EvidenceAnswer {
        std::future::pending().await
    }
}

/// Answers so often, and then no more.
pub struct SilentAfter(AtomicU32);

impl SilentAfter {
    pub fn new(answers: u32) -> Self {
        Self(AtomicU32::new(answers))
    }
}

#[async_trait]
impl EvidenceSource for SilentAfter {
    async fn fetch(&self, plugin: &str, source: &str, key: &str) -> EvidenceAnswer {
        if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            std::future::pending::<()>().await;
        }
        Hundred.fetch(plugin, source, key).await
    }
}

#[tokio::test]
async fn call_timeout() {
    let plugin = install(Limits { call_timeout_ms: 30, ..small() }, asking()).await;
    let call = plugin.call(evaluate(1), Arc::new(Silence)).await;
    assert_eq!(call.outcome, Err(PluginError::CallTimedOut { after_ms: 30 }));
    assert_eq!(plugin.call(evaluate(1), Arc::new(Hundred)).await.outcome, Ok(pass()));
}

/// Waits much longer than the guest may compute.
struct Slow;

#[async_trait]
impl EvidenceSource for Slow {
    async fn fetch(&self, _plugin: &str, _source: &str, _key: &str) -> EvidenceAnswer {
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        EvidenceAnswer::Refused(Refusal::NotFound)
    }
}

#[tokio::test]
async fn waiting_for_evidence_does_not_count_as_computing() {
    let plugin = install(Limits { deadline_ms: 100, ..small() }, asking()).await;
    assert_eq!(plugin.call(evaluate(8), Arc::new(Slow)).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn instances_and_queue() {
    let limits = Limits { instances_max: 2, queue_timeout_ms: 20, call_timeout_ms: 300, ..small() };
    let plugin = install(limits, asking()).await;
    let silent = || plugin.call(evaluate(1), Arc::new(Silence));
    let (first, second, third) =
        tokio::join!(silent(), silent(), plugin.call(evaluate(0), Arc::new(NoEvidence)));
    assert_eq!(third.outcome, Err(PluginError::Busy { waited_ms: 20 }));
    for held in [first, second] {
        assert_eq!(held.outcome, Err(PluginError::CallTimedOut { after_ms: 300 }));
    }
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn many_calls_at_once_wait_for_their_turn() {
    let plugin = install(Limits { instances_max: 3, ..small() }, passing()).await;
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let plugin = Arc::clone(&plugin);
            tokio::spawn(async move { ask(&plugin, 0).await.outcome })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(pass()));
    }
}

#[tokio::test]
async fn component_bytes() {
    let wasm = passing().build();
    let exact = Limits { component_bytes_max: wasm.len() as u64, ..small() };
    sandbox(exact.clone()).install(wasm.clone()).await.unwrap();
    let less = Limits { component_bytes_max: exact.component_bytes_max - 1, ..exact };
    let error = sandbox(less).install(wasm).await.unwrap_err();
    assert!(matches!(error, InstallError::TooLarge { .. }), "{error}");
}

/// Panics.
pub struct Broken;

#[async_trait]
impl EvidenceSource for Broken {
    async fn fetch(&self, _plugin: &str, _source: &str, _key: &str) -> EvidenceAnswer {
        panic!("no disk")
    }
}

#[tokio::test]
async fn a_panic_in_an_evidence_source_fails_that_call_only() {
    let plugin = install(small(), asking()).await;
    let call = plugin.call(evaluate(1), Arc::new(Broken)).await;
    assert_eq!(call.outcome, Err(PluginError::HostFailed { reason: "it panicked: no disk".into() }));
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}
