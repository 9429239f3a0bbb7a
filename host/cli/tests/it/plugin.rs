//! The author's loop, with the example plugins that `cargo xtask plugins` built.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fake::{Body, FakeServer, Run, run};

/// A component from where `cargo xtask plugins` puts them: beside the program's own folder.
pub(crate) fn built(name: &str) -> String {
    let target = Path::new(env!("CARGO_BIN_EXE_interlock")).ancestors().nth(2).unwrap();
    let path = target.join("interlock-plugins").join(name).with_extension("wasm");
    assert!(path.is_file(), "`{}` is not there: run `cargo xtask plugins` first", path.display());
    path.to_str().unwrap().to_owned()
}

/// Files of one test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }
}

pub(crate) async fn plugin(arguments: &[&str]) -> Run {
    run(&[&["plugin"], arguments].concat(), "").await
}

pub(crate) fn parsed(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

const CASES: &str = "
cases:
  - { name: small passes, expect: { outcome: pass } }
  - { name: large fails, settings: { max_bytes: 1 }, expect: { outcome: fail, findings: [artifact-too-large] } }
  - { name: not yet, skip: needs a fleet, expect: { outcome: pass } }
";
const WRONG: &str = "cases: [{ name: hopes, settings: { max_bytes: 1 }, expect: { outcome: pass } }]";

#[tokio::test]
async fn a_component_is_checked_without_a_server() {
    let good = plugin(&["check", &built("size-limit")]).await;
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stdout.contains("interlock:plugin/gate@1.1.0#evaluate"), "{good:?}");
    assert!(good.stdout.ends_with("good: a server would install it\n"), "{good:?}");

    let folder = Folder::new();
    let bad = plugin(&["check", &folder.put("core.wasm", "\0asm\u{1}\0\0\0")]).await;
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(bad.stdout.contains("refused: ") && bad.stdout.contains("core module"), "{bad:?}");

    let absent = plugin(&["check", folder.path("absent.wasm").to_str().unwrap()]).await;
    assert_eq!((absent.code, absent.stdout.as_str()), (2, ""), "{absent:?}");
}

#[tokio::test]
async fn settings_are_shown_as_a_table_of_a_file_and_of_the_servers_plugin() {
    let of_file = plugin(&["inspect", &built("canary")]).await;
    assert_eq!(of_file.code, 0, "{of_file:?}");
    let (head, table) = of_file.stdout.split_once("\n\n").unwrap();
    insta::assert_snapshot!(table);
    for said in ["kind      rollout-strategy", "contract  interlock:plugin@1.1.0", "bytes     "] {
        assert!(head.contains(&format!("\n{said}")), "{head}");
    }

    let server = FakeServer::start().await;
    let schema = json!({ "properties": { "max_bytes": { "type": "integer", "minimum": 1, "default": 7, "description": "At most." } } });
    let digest = format!("sha256:{}", "9".repeat(64));
    let listed = json!({ "name": "size-limit", "version": "1.0.0", "kind": "compliance-gate", "digest": digest,
        "summary": "Limits.", "settings_schema": schema, "evidence_sources": ["artifact"] });
    // Whoever may not have the component sees what the server lists.
    let list = (200, Body::Json(json!({ "items": [listed] })));
    let denied = json!({ "type": "/problems/denied", "title": "The policies say no" });
    server.answers([list.clone(), (403, Body::Json(denied))]);
    let of_server = server.run(&["plugin", "inspect", "size-limit"], "").await;
    assert_eq!(of_server.code, 0, "{of_server:?}");
    insta::assert_snapshot!(of_server.stdout);
    server.answers([list]);

    let unknown = server.run(&["plugin", "inspect", "size-limits"], "").await;
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("it has: size-limit"), "{unknown:?}");
}

#[tokio::test]
async fn the_servers_component_is_inspected_by_its_name_and_by_its_digest() {
    let server = FakeServer::start().await;
    let wasm = std::fs::read(built("size-limit")).unwrap();
    let digest = interlock_ledger::Digest::of(&wasm).to_string();
    let listed = json!({ "name": "size-limit", "digest": digest, "granted": ["artifact"] });
    let list = (200, Body::Json(json!({ "items": [listed] })));
    server.answers([list, (200, Body::Bytes(wasm.clone()))]);
    let by_name = server.run(&["--output", "json", "plugin", "inspect", "size-limit"], "").await;
    let body = parsed(&by_name);
    assert_eq!(
        (&body["granted"], &body["size_bytes"]),
        (&json!(["artifact"]), &json!(wasm.len())),
        "{by_name:?}"
    );
    assert_eq!(body["contract"], json!(["interlock:plugin@1.1.0"]));

    server.answers([(200, Body::Bytes(wasm))]);
    let by_digest = server.run(&["plugin", "inspect", &digest], "").await;
    assert_eq!(by_digest.code, 0, "{by_digest:?}");
    assert!(by_digest.stdout.contains("max_bytes  integer  67108864"), "{by_digest:?}");
    assert_eq!(server.asked().last().unwrap().0, format!("GET /v1/tenants/default/plugins/{digest}"));
}

#[tokio::test]
async fn one_call_shows_findings_and_says_no_where_the_change_would_not_go_on() {
    let folder = Folder::new();
    let change = folder.put("change.json", r#"{ "artifacts": [{ "name": "fw", "size_bytes": 11 }] }"#);
    let settings = folder.put("settings.json", r#"{ "max_bytes": 10 }"#);
    let component = built("size-limit");
    let asked = ["run", &component, "--input", &change];
    assert_eq!(plugin(&asked).await.code, 0);

    let denied = plugin(&[&asked[..], &["--settings", &settings]].concat()).await;
    assert_eq!(denied.code, 1, "{denied:?}");
    assert!(denied.stdout.starts_with("outcome: fail\n"), "{denied:?}");
    assert!(denied.stdout.contains("`fw` has 11 bytes; at most 10 are allowed"), "{denied:?}");
    assert!(denied.stdout.contains("\nfuel "), "{denied:?}");

    let signature = built("signature");
    let run = plugin(&["--output", "json", "run", &signature, "--now", "2026-03-02T13:00:00Z"]).await;
    let body = parsed(&run);
    assert_eq!((run.code, body["error"]["code"].as_str()), (1, Some("fault-evidence")), "{run:?}");
    assert_eq!(body["calls"][0]["input"]["now"], 1_772_456_400_000_u64, "the call is as a decision keeps it");
}

#[tokio::test]
async fn cases_pass_fail_and_are_skipped() {
    let folder = Folder::new();
    let (component, cases) = (built("size-limit"), folder.put("cases.yaml", CASES));
    let junit = folder.path("junit.xml");
    let run = plugin(&["test", &component, &cases, "--junit", junit.to_str().unwrap()]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.ends_with("2 passed, 0 failed, 1 skipped\n"), "{run:?}");
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(
        xml.contains(r#"<testsuites name="interlock plugin test" tests="3" failures="0" skipped="1">"#),
        "{xml}"
    );

    let wrong = folder.put("wrong.yaml", WRONG);
    let run = plugin(&["--output", "json", "test", &component, &cases, &wrong]).await;
    let body = parsed(&run);
    assert_eq!((run.code, &body["passed"], &body["failed"]), (1, &json!(2), &json!(1)), "{run:?}");
    let difference = body["suites"][1]["cases"][0]["differences"][0].as_str().unwrap();
    assert!(difference.starts_with("expected outcome `pass`, found `fail`"), "{difference}");
}

#[tokio::test]
async fn cases_that_test_nothing_fail_and_a_file_that_does_not_fit_is_wrong_usage() {
    let folder = Folder::new();
    let component = built("size-limit");
    let table = [("cases: []", 1), ("cases: [{ name: a }]", 1), ("cases: [{ name: a, expects: {} }]", 2)];
    for (text, code) in table {
        let run = plugin(&["test", &component, &folder.put("cases.yaml", text)]).await;
        assert_eq!(run.code, code, "{text}: {run:?}");
    }
    assert_eq!(plugin(&["test", &component]).await.code, 2, "no file at all");
}

#[tokio::test]
async fn a_case_is_measured() {
    let folder = Folder::new();
    let (component, cases) = (built("size-limit"), folder.put("cases.yaml", CASES));
    let measure = ["--output", "json", "bench", &component, &cases, "--runs", "20"];
    let run = plugin(&[&measure[..], &["--case", "large fails"]].concat()).await;
    let body = parsed(&run);
    assert_eq!((run.code, &body["runs"], &body["fuel_constant"]), (0, &json!(20), &json!(true)), "{run:?}");
    let unknown = plugin(&[&measure[..], &["--case", "huge"]].concat()).await;
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("`small passes`"), "{unknown:?}");
}

#[tokio::test]
async fn the_cases_in_the_guide_pass() {
    let guide = include_str!("../../../../docs/plugins.md");
    let (_, section) = guide.split_once("```yaml\n").unwrap();
    let (block, after) = section.split_once("```").unwrap();
    let cases: String =
        block.lines().map(|line| format!("{}\n", line.strip_prefix("   ").unwrap_or(line))).collect();
    let folder = Folder::new();
    let run = plugin(&["test", &built("size-limit"), &folder.put("cases.yaml", &cases)]).await;
    assert_eq!(run.code, 0, "{run:?}");
    let promised = after.lines().find(|line| line.trim().ends_with("0 failed, 0 skipped")).unwrap();
    assert!(run.stdout.ends_with(&format!("{}\n", promised.trim())), "{run:?}");
}
