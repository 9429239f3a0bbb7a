//! Compiling in a child: bounded in time, memory and output, killed when nobody waits, and no burden on calls.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use interlock_sandbox::{Compiler, InstallError, Limits, Sandbox, SandboxError};
use tempfile::TempDir;

use crate::support::hostile::{module, with_mark, with_module};
use crate::support::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_interlock-compile");

fn by_child(limits: Limits, cache: Option<&Path>) -> Sandbox {
    Sandbox::with_compiler(limits, cache, Compiler::program(PROGRAM)).unwrap()
}

/// A gate that takes minutes to compile; the number tells several apart.
fn endless(number: u32) -> Vec<u8> {
    with_module(passing().build(), &module(500 + number, 1_000))
}

/// A gate whose one function takes the compiler far more memory than it has bytes.
fn bomb() -> Vec<u8> {
    with_module(passing().build(), &module(1, 5_000))
}

/// The children of this process that run now: those of one test, because each has a process of its own.
fn children() -> Vec<u32> {
    let ours = std::process::id();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        // pid (name) state parent …
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        (parent == ours.to_string() && state != "Z").then_some(pid)
    });
    processes.collect()
}

/// Waits until that many children run, for as long as a test may take.
async fn until_children(count: usize) {
    while children().len() != count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_child_compiles_what_this_process_would() {
    let cache = TempDir::new().unwrap();
    let wasm = passing().build();
    let plugin = by_child(small(), Some(cache.path())).install(wasm.clone()).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
    // What it compiled is in the cache: a compiler that does not exist is not missed.
    let nobody = Compiler::program("/nonexistent");
    let sandbox = Sandbox::with_compiler(small(), Some(cache.path()), nobody).unwrap();
    let plugin = sandbox.install(wasm.clone()).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
    // And this process reads it as its own.
    let plugin = Sandbox::new(small(), Some(cache.path())).unwrap().install(wasm).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn what_does_not_compile_has_the_same_reason_in_a_child() {
    let bad = [
        vec![],
        b"hello".to_vec(),
        b"\0asm\x01\0\0\0".to_vec(),
        passing().build()[..100].to_vec(),
        passing().with(|g| g.memory = "(memory (export \"memory\") 16384)".into()).build(),
        passing().with(|g| g.fields = "(table 9000000 funcref)".into()).build(),
    ];
    for wasm in bad {
        let here = sandbox(small()).install(wasm.clone()).await.unwrap_err();
        let there = by_child(small(), None).install(wasm).await.unwrap_err();
        assert!(matches!(there, InstallError::Compile { .. }), "{there}");
        assert_eq!(there.to_string(), here.to_string());
    }
}

#[tokio::test]
async fn a_component_that_takes_too_long_is_killed_at_its_time() {
    let sandbox = by_child(Limits { compile_timeout_ms: 3_000, ..small() }, None);
    let wasm = endless(0);
    let begun = Instant::now();
    let error = sandbox.install(wasm).await.unwrap_err();
    assert_eq!(error.code(), "compile-timed-out");
    let text = "the component did not compile within `3000` ms: make it smaller or simpler, or raise `compile_timeout_ms`";
    assert_eq!(error.to_string(), text);
    assert!(begun.elapsed() >= Duration::from_millis(3_000));
    until_children(0).await;
    assert!(sandbox.shelf().is_empty());
    // The compiler is free again, and as good as before.
    sandbox.install(passing().build()).await.unwrap();
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_is_ended() {
    let least = 256 << 20;
    let limits = Limits { compile_memory_bytes_max: least, compile_threads: 1, ..small() };
    let sandbox = by_child(limits, None);
    sandbox.install(passing().build()).await.unwrap();
    let error = sandbox.install(bomb()).await.unwrap_err();
    assert_eq!(error.code(), "compile-memory-exceeded", "{error}");
    assert!(error.to_string().ends_with("raise `compile_memory_bytes_max`"), "{error}");
    until_children(0).await;
    sandbox.install(with_mark(passing().build(), b"again")).await.unwrap();
}

/// Starts a child by hand and gives it a component; what it is told is the caller's.
fn child(cpu_secs: &str, wasm: &[u8]) -> (std::process::Child, std::process::ChildStdin) {
    let mut child = Command::new(PROGRAM)
        .args(["__compile-component", "2147483648", cpu_secs, "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&(wasm.len() as u64).to_le_bytes()).unwrap();
    input.write_all(wasm).unwrap();
    (child, input)
}

#[test]
fn a_child_whose_parent_is_gone_ends() {
    let (mut child, input) = child("600", &endless(0));
    assert!(child.try_wait().unwrap().is_none());
    drop(input);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn a_child_that_nobody_kills_ends_when_its_processor_time_is_up() {
    let (mut child, _input) = child("1", &endless(0));
    assert_eq!(child.wait().unwrap().signal(), Some(24), "SIGXCPU");
}

#[tokio::test]
async fn compiled_bytes() {
    let cache = TempDir::new().unwrap();
    let wasm = passing().build();
    by_child(small(), Some(cache.path())).install(wasm.clone()).await.unwrap();
    let [entry] = std::fs::read_dir(cache.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "component"))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let exact = Limits { compiled_bytes_max: entry.metadata().unwrap().len(), ..small() };
    by_child(exact.clone(), None).install(wasm.clone()).await.unwrap();
    let less = Limits { compiled_bytes_max: exact.compiled_bytes_max - 1, ..exact };
    let error = by_child(less, None).install(wasm).await.unwrap_err();
    assert_eq!(error.code(), "compiled-too-large");
    until_children(0).await;
}

#[tokio::test]
async fn a_compilation_that_nobody_waits_for_is_killed() {
    let sandbox = Arc::new(by_child(small(), None));
    let wasm = endless(0);
    let waiting = tokio::spawn({
        let sandbox = Arc::clone(&sandbox);
        async move { sandbox.install(wasm).await.map(drop) }
    });
    until_children(1).await;
    waiting.abort();
    until_children(0).await;
    sandbox.install(passing().build()).await.unwrap();
}

#[tokio::test]
async fn never_more_children_than_allowed_and_the_others_wait_their_turn() {
    let limits = Limits { compile_concurrency: 2, compile_queue_timeout_ms: 50, ..small() };
    let sandbox = Arc::new(by_child(limits, None));
    let held: Vec<_> = (0..2)
        .map(|number| {
            let (sandbox, wasm) = (Arc::clone(&sandbox), endless(number));
            tokio::spawn(async move { sandbox.install(wasm).await.map(drop) })
        })
        .collect();
    until_children(2).await;
    let error = sandbox.install(passing().build()).await.unwrap_err();
    assert_eq!(error.code(), "compiler-busy");
    assert_eq!(children().len(), 2);
    for held in held {
        held.abort();
    }
    until_children(0).await;
    sandbox.install(passing().build()).await.unwrap();
}

#[tokio::test]
async fn what_is_in_the_cache_does_not_wait_for_the_compiler() {
    let cache = TempDir::new().unwrap();
    let wasm = passing().build();
    by_child(small(), Some(cache.path())).install(wasm.clone()).await.unwrap();
    let limits = Limits { compile_queue_timeout_ms: 1, ..small() };
    let sandbox = Arc::new(by_child(limits, Some(cache.path())));
    let held = tokio::spawn({
        let (sandbox, wasm) = (Arc::clone(&sandbox), endless(0));
        async move { sandbox.install(wasm).await.map(drop) }
    });
    until_children(1).await;
    sandbox.install(wasm).await.unwrap();
    held.abort();
    until_children(0).await;
}

#[tokio::test]
async fn a_child_that_dies_is_no_fault_of_the_component() {
    for program in ["/nonexistent", "/bin/false", "/bin/cat"] {
        let sandbox = Sandbox::with_compiler(small(), None, Compiler::program(program)).unwrap();
        let error = sandbox.install(passing().build()).await.unwrap_err();
        assert_eq!(error.code(), "compiler-failed", "{program}: {error}");
    }
}

#[tokio::test]
async fn what_is_no_compiled_component_is_not_loaded_even_from_a_child() {
    // It answers something, and ends well.
    let program = TempDir::new().unwrap();
    let path = program.path().join("liar");
    std::fs::write(&path, "#!/bin/sh\necho not compiled\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let cache = TempDir::new().unwrap();
    let sandbox = Sandbox::with_compiler(small(), Some(cache.path()), Compiler::program(path)).unwrap();
    let error = sandbox.install(passing().build()).await.unwrap_err();
    assert!(matches!(error, InstallError::Compile { .. }), "{error}");
    let kept = std::fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(kept, 1, "only the key: what does not load is not kept");
}

#[test]
fn a_program_whose_main_is_not_ours_is_not_started_again() {
    let error = Compiler::own_program().unwrap_err();
    assert!(matches!(error, SandboxError::NoCompiler { .. }), "{error}");
    assert!(error.to_string().contains("plugins.compile_in_process"), "{error}");
}
