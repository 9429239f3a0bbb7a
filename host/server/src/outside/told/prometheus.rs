//! Evidence of a real Prometheus, over samples that were written for the clock of the test.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::*;
use crate::testing::START_MS;

/// A Prometheus with two pumps' errors, measured half a minute before a [`TestApp`] starts.
struct Prometheus {
    url: String,
    process: Child,
    _folder: TempDir,
}

impl Prometheus {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let at = START_MS / 1_000 - 30;
        let samples = format!(
            "# TYPE pump_errors gauge\npump_errors{{site=\"north\"}} 3 {at}\npump_errors{{site=\"south\"}} 4 {at}\n# EOF\n"
        );
        std::fs::write(path("samples"), samples).unwrap();
        std::fs::write(path("prometheus.yml"), "").unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([path("samples"), path("data")])
            .output()
            .await
            .expect("promtool (Debian package `prometheus`) is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", path("data").display()))
            // The samples are as old as the test's clock says, whatever the day is.
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus (Debian package `prometheus`) is installed");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let Some(line) = log.next_line().await.unwrap() else {
                panic!("Prometheus did not start:\n{said}")
            };
            if line.contains("Server is ready to receive web requests") {
                break;
            }
            said.push_str(&line);
            said.push('\n');
        }
        // Whoever stops reading has it wait.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { url: format!("http://{address}"), process, _folder: folder }
    }
}

#[tokio::test]
async fn prometheus_answers_by_the_name_of_a_query_and_a_plugin_writes_none() {
    let mut prometheus = Prometheus::start().await;
    let url = format!("{}/", prometheus.url);
    let (app, _, change) = hospital(|config| {
        config.evidence.prometheus.url = url;
        config.evidence.prometheus.cache_ms = Some(10_000);
        for (name, query) in [("errors", "sum(pump_errors)"), ("nothing", "pump_leaks"), ("broken", "sum(")] {
            config.evidence.prometheus.queries.insert(name.to_owned(), query.to_owned());
        }
    })
    .await;
    let about = plugin(&app, Some(&change));
    let answer = found(&about, "prometheus", "errors").await;
    assert_eq!(answer["status"], "success");
    assert_eq!(
        answer["data"]["result"][0]["value"],
        json!([START_MS / 1_000, "7"]),
        "at the time of the call"
    );
    assert_eq!(found(&about, "prometheus", "nothing").await["data"]["result"], json!([]));
    for key in ["other", "", "sum(pump_errors)", "errors&query=up", "../errors"] {
        assert_eq!(refused(&about, "prometheus", key).await, "not found", "{key}");
    }
    assert!(refused(&about, "prometheus", "broken").await.contains("400"));
    let stranger = Evidence { granted: BTreeSet::new(), ..plugin(&app, Some(&change)) };
    assert!(refused(&stranger, "prometheus", "errors").await.contains("may not read"));

    prometheus.process.kill().await.unwrap();
    assert_eq!(found(&about, "prometheus", "errors").await, answer, "it is kept for its time");
    app.clock.advance(10_000);
    let later = plugin(&app, Some(&change));
    let why = refused(&later, "prometheus", "errors").await;
    assert!(why.contains("`prometheus` cannot be asked"), "{why}");
    assert_eq!(app.app.evidence.failures(&TENANT.parse().unwrap(), app.app.clock.now())["prometheus"], why);
}

#[tokio::test]
async fn without_an_address_prometheus_is_not_asked() {
    let (app, _, change) = hospital(|_| {}).await;
    let why = refused(&plugin(&app, Some(&change)), "prometheus", "errors").await;
    assert!(why.contains("evidence.prometheus.url"), "{why}");
}
