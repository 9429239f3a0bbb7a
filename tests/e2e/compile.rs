//! A running server compiles what is pushed in a process of its own, which is killed when it takes too long, and everything
//! else goes on meanwhile.

use std::time::Duration;

use interlock_tests::{Hospital, TENANT, text};
use reqwest::{Client, StatusCode, header};
use serde_json::Value;

use crate::program;

/// Enough for a small gate in a debug build on a busy machine, and not for 18 MB of Python.
const LIMITS: &str = "
[plugins]
signers_min = 0

[plugins.limits]
compile_timeout_ms = 6000
";

fn example(name: &str) -> Vec<u8> {
    let path = program::plugins().with_file_name("interlock-examples").join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

async fn push(hospital: &Hospital, wasm: Vec<u8>) -> (StatusCode, Value) {
    let url = format!("{}/v1/tenants/{TENANT}/plugins", hospital.server.url);
    let request = Client::new()
        .post(url)
        .bearer_auth(&hospital.ana.key)
        .header(header::CONTENT_TYPE, "application/wasm");
    let answer = request.body(wasm).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// The processes that any thread of the server has started and that are still there.
fn children(pid: u32) -> String {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let lists = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")));
    lists.map(Result::unwrap_or_default).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_to_compile_is_killed_and_refused_while_gates_answer() {
    let mut setup = program::quick();
    setup.config.push_str(LIMITS);
    let hospital = Hospital::open(setup, 2).await.unwrap();
    hospital.push("2.0.0", 2).await.unwrap();
    let (pushed, judged) = tokio::join!(push(&hospital, example("storage-fit-python")), async {
        let id = hospital.propose(&Hospital::proposal("2.0.0", "meanwhile", 1)).await.unwrap();
        hospital.wait(&id, &["approving"]).await.unwrap()
    });
    let (status, problem) = pushed;
    assert_eq!(
        (status, text(&problem, "/type")),
        (StatusCode::UNPROCESSABLE_ENTITY, "/problems/plugin-refused".to_owned()),
        "{problem}"
    );
    assert!(text(&problem, "/detail").contains("`6000` ms"), "{problem}");
    assert!(
        judged["gates"].as_array().unwrap().iter().all(|gate| gate["verdict"]["outcome"] == "pass"),
        "{judged}"
    );
    let pid = hospital.server.pid().unwrap();
    // Killed, it is still to be collected.
    for _ in 0..200 {
        if children(pid).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(children(pid), "", "a compiler is still there");
    let (status, plugin) = push(&hospital, example("storage-fit-c")).await;
    assert_eq!((status, text(&plugin, "/name")), (StatusCode::CREATED, "storage-fit".to_owned()), "{plugin}");
}
