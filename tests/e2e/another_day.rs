//! The same gate in four languages says the same and costs the same on another day: nothing of the machine's clock reaches it.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::program;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/plugins/storage-fit/cases.yaml");

/// Every case with its result and its fuel; what time it took is another matter.
async fn told(component: &str, day: Option<&str>) -> Vec<(String, String, u64)> {
    let program = program::interlock();
    let mut command = match day {
        Some(day) => {
            let mut command = Command::new("faketime");
            command.args(["-f", day]).arg(&program);
            command
        }
        None => Command::new(&program),
    };
    let arguments = ["--output", "json", "plugin", "test", component, CASES];
    let output: Output = command.args(arguments).output().await.unwrap();
    let body: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(body["failed"], 0, "{body:#}");
    let cases = body["suites"][0]["cases"].as_array().unwrap().iter();
    cases
        .map(|case| (case["name"].to_string(), case["status"].to_string(), case["fuel"].as_u64().unwrap()))
        .collect()
}

async fn is_the_same_on_another_day(component: &str) {
    let built = program::plugins();
    let path = match component {
        "storage-fit" => built.join("storage-fit.wasm"),
        other => built.with_file_name("interlock-examples").join(other).with_extension("wasm"),
    };
    let component = path.to_str().unwrap();
    let today = told(component, None).await;
    assert!(today.iter().any(|(_, _, fuel)| *fuel > 0), "{today:?}");
    assert_eq!(told(component, Some("@2039-02-28 23:59:58")).await, today);
}

#[tokio::test]
async fn a_rust_gate_is_the_same_on_another_day() {
    is_the_same_on_another_day("storage-fit").await;
}

#[tokio::test]
async fn a_c_gate_is_the_same_on_another_day() {
    is_the_same_on_another_day("storage-fit-c").await;
}

#[tokio::test]
async fn a_javascript_gate_is_the_same_on_another_day() {
    is_the_same_on_another_day("storage-fit-javascript").await;
}

#[tokio::test]
async fn a_python_gate_is_the_same_on_another_day() {
    is_the_same_on_another_day("storage-fit-python").await;
}
