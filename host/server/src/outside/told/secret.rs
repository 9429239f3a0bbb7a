//! The secret of a connector reaches the system that it is for, and nobody else.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::config::Gate;

/// In no word of this project, so that wherever it is found, it was leaked.
const SECRET: &str = "zq7-planted-k9w";

/// All that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// Every file below, with its name.
fn files(folder: &std::path::Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[tokio::test]
async fn the_secret_of_a_connector_is_in_no_log_error_record_or_answer() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    let _logged = tracing::subscriber::set_default(subscriber.finish());
    let tickets = FalseTickets::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("token");
    std::fs::write(&secret, format!("Bearer {SECRET}\n")).unwrap();
    let url = tickets.url.clone();
    let (app, ana, _) = hospital(|config| {
        let headers = BTreeMap::from([("Authorization".to_owned(), HeaderValue::File(secret))]);
        let connector = Connector { url, headers, cache_ms: Some(0), timeout_ms: Some(500), ..Connector::default() };
        config.evidence.http.insert("ticket".to_owned(), connector);
        config.gates = vec![Gate {
            settings: json!({ "prefixes": ["CHG"], "look_in": [], "states": ["x"], "fields": { "state": "/path" } }),
            ..Gate::named("change-ticket")
        }];
    })
    .await;
    // A gate asks, and what it is told is recorded.
    let proposal = json!({
        "environment": "staging", "title": "CHG1", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "all": true }, "strategy": { "plugin": "direct" },
    });
    let change = ana.post("/changes", proposal).await.ok();
    app.reconcile().await;
    // Then whatever can go wrong, also a system that says what it was sent.
    let about = plugin(&app, Some(&change));
    let mut said = Vec::new();
    for key in ["missing", "broken", "moved", "text", "slow", "echo"] {
        let why = refused(&about, "http.ticket", key).await;
        let ready = app.client(TENANT, None).send(Method::GET, "//ready", &[], Body::empty()).await;
        said.push((format!("status after {key}"), ana.get("/status").await.body));
        said.push((format!("refused {key}"), why.into_bytes()));
        said.push((format!("ready after {key}"), ready.body));
    }
    let echo = String::from_utf8(said[said.len() - 2].1.clone()).unwrap();
    assert!(echo.contains("repeats the value of the header `Authorization`"), "{echo}");

    let id = change["id"].as_str().unwrap();
    let decisions = ana.get(&format!("/decisions?change={id}")).await;
    let listed = decisions.ok();
    let mut paths = vec![format!("/changes/{id}"), format!("/changes/{id}/explain"), "/changes".to_owned()];
    let ids = listed["items"].as_array().unwrap().iter().map(|decision| decision["id"].as_str().unwrap());
    paths.extend(ids.map(|id| format!("/decisions/{id}")));
    paths
        .extend(["/plugins", "/status", "/ledger/entries", "//metrics", "//openapi.json"].map(str::to_owned));
    for path in paths {
        let answer = ana.send(Method::GET, &path, &[], Body::empty()).await;
        said.push((path, answer.body));
    }
    let told = said.iter().any(|(_, body)| {
        let text = String::from_utf8_lossy(body);
        text.contains("CHG1") && text.contains("http.ticket")
    });
    assert!(told, "what was asked of the connector is on record");
    files(app.dir(), &mut said);
    said.push(("the configuration".to_owned(), app.app.config.shown().into_bytes()));
    said.push(("debug".to_owned(), format!("{:?} {:?}", app.app.evidence, app.app.config).into_bytes()));
    let logged = log.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&logged).contains("TRACE"), "all is logged");
    said.push(("the log".to_owned(), logged));
    for (place, content) in said {
        let found = content.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        assert!(!found, "the secret is in {place}");
    }
    assert!(tickets.authorized.load(Ordering::Relaxed) > 0, "the system that it is for was sent it");
}
