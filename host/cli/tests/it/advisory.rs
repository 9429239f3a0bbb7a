//! Importing advisories: sent in parts, and complete only with the last.

use serde_json::{Value, json};

use crate::fake::{Body, FakeServer};

fn taken(written: u64) -> (u16, Body) {
    let now = json!({ "as_of": "2026-11-02T08:30:00.000Z", "ecosystems": { "npm": "2026-11-02T08:30:00.000Z" }, "records": 1001 });
    (200, Body::Json(json!({ "written": written, "older": 0, "withdrawn": 0, "partly": 0, "now": now })))
}

fn list(count: usize) -> String {
    let record = |id| json!({ "id": format!("A-{id}"), "modified": "2026-11-02T08:30:00Z", "details": "long", "affected": about("npm/a") });
    (0..count).map(record).collect::<Value>().to_string()
}

fn about(package: &str) -> Value {
    json!([{ "package": { "purl": format!("pkg:{package}") } }])
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
    assert_eq!(sent, [(1_000, &Value::Null), (1, &Value::Null), (1, &newest)]);
    let first = json!({ "id": "A-0", "modified": "2026-11-02T08:30:00Z", "affected": about("npm/a") });
    assert_eq!(asked[0].1["records"][0], first);
    assert_eq!(asked[2].1["records"][0], first, "it stands for its ecosystem");

    server.answers([taken(1_000), (503, Body::Json(json!({ "type": "/problems/busy", "title": "Busy" })))]);
    let broken = server.run(&["advisory", "import", file, "--as-of", "2026-11-20T06:00:00Z"], "").await;
    assert_eq!(broken.code, 3, "{broken:?}");
    assert!(server.asked().iter().all(|(_, body)| body["as_of"] != "2026-11-20T06:00:00.000Z"));
}

#[tokio::test]
async fn one_record_of_each_ecosystem_says_that_all_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.json");
    let record = |id: &str, affected: Value| json!({ "id": id, "modified": "2026-11-02T08:30:00Z", "affected": affected });
    let records = [
        record("N-1", about("npm/a")),
        record("N-2", about("npm/b")),
        record("D-1", about("deb/debian/c")),
        record("U-1", about("deb/ubuntu/c")),
    ];
    std::fs::write(&file, json!(records).to_string()).unwrap();
    let server = FakeServer::start().await;
    server.answers([taken(4), taken(0)]);
    let run = server.run(&["advisory", "import", file.to_str().unwrap()], "").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(server.asked()[1].1["records"], json!([records[2], records[3], records[0]]));

    std::fs::write(&file, json!([record("X-1", json!([]))]).to_string()).unwrap();
    server.answers([taken(1)]);
    let arguments = ["advisory", "import", file.to_str().unwrap(), "--as-of", "2026-11-20T06:00:00Z"];
    let run = server.run(&arguments, "").await;
    assert!(run.code == 2 && run.stderr.contains("none names a package"), "{run:?}");
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
