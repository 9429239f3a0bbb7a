//! Importing advisories: sent in parts, and complete only with the last.

use serde_json::{Value, json};

use crate::fake::{Body, FakeServer};

fn taken(written: u64) -> (u16, Body) {
    let now = json!({ "as_of": "2026-11-02T08:30:00.000Z", "records": 1001 });
    (200, Body::Json(json!({ "written": written, "older": 0, "withdrawn": 0, "partly": 0, "now": now })))
}

fn list(count: usize) -> String {
    let record =
        |id| json!({ "id": format!("A-{id}"), "modified": "2026-11-02T08:30:00Z", "details": "long" });
    (0..count).map(record).collect::<Value>().to_string()
}

#[tokio::test]
async fn only_the_last_part_says_that_the_advisories_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.json");
    std::fs::write(&file, list(1_001)).unwrap();
    let file = file.to_str().unwrap();
    let server = FakeServer::start().await;
    server.answers([taken(1_000), taken(1), taken(0)]);
    let run = server.run(&["advisory", "import", file], "").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("1001"), "the parts add up: {run:?}");
    let asked = server.asked();
    let sent: Vec<(usize, &Value)> =
        asked.iter().map(|(_, body)| (body["records"].as_array().unwrap().len(), &body["as_of"])).collect();
    let newest = json!("2026-11-02T08:30:00.000Z");
    assert_eq!(sent, [(1_000, &Value::Null), (1, &Value::Null), (0, &newest)]);
    assert_eq!(asked[0].1["records"][0], json!({ "id": "A-0", "modified": "2026-11-02T08:30:00Z" }));

    server.answers([taken(1_000), (503, Body::Json(json!({ "type": "/problems/busy", "title": "Busy" })))]);
    let broken = server.run(&["advisory", "import", file, "--as-of", "2026-11-20T06:00:00Z"], "").await;
    assert_eq!(broken.code, 3, "{broken:?}");
    assert!(server.asked().iter().all(|(_, body)| body["as_of"] != "2026-11-20T06:00:00.000Z"));
}

#[tokio::test]
async fn nothing_to_import_and_no_time_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    let server = FakeServer::start().await;
    server.answers([taken(0)]);
    for arguments in
        [vec!["advisory", "import", empty], vec!["advisory", "import", empty, "--as-of", "yesterday"]]
    {
        let run = server.run(&arguments, "").await;
        assert_eq!(run.code, 2, "{run:?}");
    }
    assert_eq!(server.asked(), []);
}
