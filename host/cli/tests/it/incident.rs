//! Incident reports, as whoever is on duty asks for them.

use serde_json::json;

use crate::{
    fake::{Body, FakeServer},
    plugin::Folder,
};

const CHANGE: &str = "chg_00000000000000000000000000000007";

#[tokio::test]
async fn a_report_is_of_an_incident_a_change_or_the_change_that_an_alert_names() {
    let server = FakeServer::start().await;
    let folder = Folder::new();
    let alert = folder.path("alert.json");
    let webhook = json!({ "status": "firing", "alerts": [
        { "labels": { "alertname": "HighDeploymentFailureRate", "change": CHANGE } },
        { "labels": { "alertname": "DeviceCriticalHealth" } },
    ]});
    std::fs::write(&alert, webhook.to_string()).unwrap();
    let (alert, to) = (alert.display().to_string(), folder.path("report.pdf").display().to_string());
    let incident = "inc_00000000000000000000000000000007";
    for (arguments, asked, query) in [
        (&["incident", "report", incident][..], format!("/incidents/{incident}/report"), "format=json"),
        (
            &["incident", "report", CHANGE, "--format", "html"],
            format!("/changes/{CHANGE}/report"),
            "format=html",
        ),
        (
            &["incident", "report", "--alert", &alert, "--format", "pdf", "--to", &to],
            format!("/changes/{CHANGE}/report"),
            "format=pdf",
        ),
    ] {
        server.answers([(200, Body::Bytes(b"the report".to_vec()))]);
        let run = server.run(arguments, "").await;
        assert_eq!(run.code, 0, "{run:?}");
        assert!(server.asked().last().unwrap().0.ends_with(&asked), "{:?}", server.asked());
        assert_eq!(server.queries().last().unwrap(), query);
    }
    assert_eq!(std::fs::read(&to).unwrap(), b"the report");
    for (arguments, said) in
        [(&["incident", "report", "dec_7"][..], "neither an incident"), (&["incident", "report"], "required")]
    {
        let run = server.run(arguments, "").await;
        assert!(run.code == 2 && run.stderr.contains(said), "{run:?}");
    }
    std::fs::write(&alert, "[{\"labels\":{}}]").unwrap();
    let run = server.run(&["incident", "report", "--alert", &alert], "").await;
    assert!(run.code == 2 && run.stderr.contains("no alert in it has a label `change`"), "{run:?}");
}
