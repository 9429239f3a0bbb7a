//! Guests that import WASI run, and learn nothing from it.

use interlock_sandbox::types::{Response, Verdict};

use crate::support::*;

const WASI: &str = r#"
    package wasi:clocks@0.2.3 {
        interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
        interface monotonic-clock {
            use wasi:io/poll@0.2.3.{pollable};
            now: func() -> u64;
            subscribe-duration: func(when: u64) -> pollable;
        }
    }
    package wasi:io@0.2.3 { interface poll { resource pollable { block: func(); } } }
    package wasi:random@0.2.3 { interface random { get-random-u64: func() -> u64; } }
    package wasi:cli@0.2.3 { interface environment { get-environment: func() -> list<tuple<string, string>>; } }
"#;

/// Answers a message that is one longer than what it saw.
fn seeing(import: &str, expression: &str) -> Guest {
    Guest::gate(&Guest::long_verdict(&format!("(i32.add (i32.const 1) {expression})"))).with(|g| {
        g.wit = format!(
            "{}\n{WASI}\nworld odd {{
                import wasi:clocks/wall-clock@0.2.3; import wasi:clocks/monotonic-clock@0.2.3;
                import wasi:random/random@0.2.3; import wasi:cli/environment@0.2.3;
                export plugin; export gate; }}",
            g.wit
        );
        g.world = "odd";
        g.imports = import.into();
    })
}

async fn seen(plugin: &interlock_sandbox::Plugin, now: u64) -> usize {
    match ask(plugin, now).await.outcome {
        Ok(Response::Verdict(Verdict { findings, .. })) => findings[0].message.len() - 1,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_wall_clock_stands_at_the_instant_of_the_question() {
    let import = r#"(import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))"#;
    let body = "(call $wall (i32.const 0)) (i32.wrap_i64 (i64.load (i32.const 0)))";
    let plugin = install(small(), seeing(import, &format!("(block (result i32) {body})"))).await;
    assert_eq!(seen(&plugin, 1_234_000).await, 1_234);
    assert_eq!(seen(&plugin, 1_234_999).await, 1_234);
}

#[tokio::test]
async fn the_monotonic_clock_stands_still_and_sleep_ends_at_once() {
    let import = r#"
        (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $sleep (param i64) (result i32)))
        (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))"#;
    let body = "(call $block (call $sleep (i64.const 3600000000000))) (i32.wrap_i64 (call $now))";
    let plugin = install(small(), seeing(import, &format!("(block (result i32) {body})"))).await;
    assert_eq!(seen(&plugin, 5).await, 0);
}

#[tokio::test]
async fn randomness_is_the_same_every_time() {
    let import = r#"(import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))"#;
    let body = "(i32.and (i32.wrap_i64 (call $random)) (i32.const 0xffff))";
    let plugin = install(small(), seeing(import, body)).await;
    let first = seen(&plugin, 5).await;
    assert_eq!(seen(&plugin, 6).await, first);
    let record = ask(&plugin, 7).await.record().unwrap();
    assert!(plugin.replay(&record).await.identical);
}

#[tokio::test]
async fn the_environment_is_empty() {
    let import = r#"(import "wasi:cli/environment@0.2.3" "get-environment" (func $env (param i32)))"#;
    let body = "(call $env (i32.const 0)) (i32.load offset=4 (i32.const 0))";
    let plugin = install(small(), seeing(import, &format!("(block (result i32) {body})"))).await;
    assert_eq!(seen(&plugin, 5).await, 0);
}
