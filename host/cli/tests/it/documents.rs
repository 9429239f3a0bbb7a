//! Documents of artifacts: attached from a file, and listed.

use serde_json::json;

use crate::{
    fake::{Body, FakeServer},
    problem,
};

#[tokio::test]
async fn a_document_is_attached_and_what_is_wrong_with_it_is_named() {
    let attached = json!({ "artifact": "sha256:00", "kind": "sbom", "media_type": "application/json", "size_bytes": 2,
        "digest": "sha256:11" });
    let server = FakeServer::start().await;
    server.answers([(200, Body::Json(attached))]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (sbom, empty, missing) = (path("sbom.json"), path("empty.json"), path("missing.json"));
    std::fs::write(&sbom, "{}").unwrap();
    std::fs::write(&empty, "").unwrap();
    let attach =
        |kind: &'static str, file: &str| ["artifact", "attach", "fw", "2.0", kind, file].map(str::to_owned);
    let run = async |kind, file: &str| {
        let arguments = attach(kind, file);
        server.run(&arguments.each_ref().map(String::as_str), "").await
    };
    let shown = run("sbom", &sbom).await;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.contains("sha256:11"), "{}", shown.stdout);
    assert_eq!(server.asked()[0].0, "PUT /v1/tenants/default/artifacts/fw/2.0/documents/sbom");
    for (kind, file, said) in
        [("sbom", &empty, "is empty"), ("sbom", &missing, "missing.json"), ("../x", &sbom, "KIND")]
    {
        let refused = run(kind, file).await;
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    assert_eq!(server.asked().len(), 1, "nothing of that was sent");
    server.answers([(422, problem("A field does not fit"))]);
    let refused = run("secrets", &sbom).await;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("what and why"), "{}", refused.stderr);
}

#[tokio::test]
async fn the_documents_of_an_artifact_are_listed() {
    let server = FakeServer::start().await;
    let item = json!({ "artifact": "sha256:00", "kind": "test-report", "media_type": "text/plain", "size_bytes": 7,
        "digest": "sha256:22" });
    server.answers([(200, Body::Json(json!({ "items": [item] })))]);
    let shown = server.run(&["artifact", "documents", "fw", "2.0"], "").await;
    for part in ["test-report", "text/plain", "7", "sha256:22"] {
        assert!(shown.stdout.contains(part), "{part} in {}", shown.stdout);
    }
    assert!(server.asked()[0].0.starts_with("GET /v1/tenants/default/artifacts/fw/2.0/documents"));
}
