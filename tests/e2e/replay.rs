//! What a server decided is made again by the program on another machine, and becomes cases.

use std::{path::Path, process::Output};

use interlock_tests::{Hospital, Server, TENANT, text};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::program;

/// Somebody at a terminal who may read everything.
struct Terminal<'a> {
    server: &'a Server,
    key: &'a str,
}

impl Terminal<'_> {
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program::interlock());
        command.args(arguments).env("INTERLOCK_URL", &self.server.url).env("INTERLOCK_TENANT", TENANT);
        command.env("INTERLOCK_KEY", self.key).output().await.unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--output", "json"], arguments].concat()).await;
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }
}

fn component(name: &str) -> String {
    program::plugins().join(format!("{name}.wasm")).to_str().unwrap().to_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_of_a_rollout_comes_out_again_elsewhere_and_becomes_a_case_that_passes() {
    let hospital = Hospital::open(program::quick(), 3).await.unwrap();
    let fleet = hospital.switch_on(Vec::new()).unwrap();
    hospital.everybody_on(&fleet, "1.0.0").await.unwrap();
    hospital.push("2.0.0", 2).await.unwrap();
    let id = hospital.propose(&Hospital::proposal("2.0.0", "why", 1)).await.unwrap();
    hospital.approve(&hospital.ben, &id).await.unwrap();
    hospital.approve(&hospital.carla, &id).await.unwrap();
    hospital.wait(&id, &["completed"]).await.unwrap();
    let terminal = Terminal { server: &hospital.server, key: &hospital.ana.key };

    // The component comes from the server, by its digest.
    let listed = terminal.json(&["decision", "list", "--plugin", "signature", "--since", "1d"]).await;
    let decision = text(&listed, "/0/id");
    let same = terminal.run(&["plugin", "replay", &decision]).await;
    assert!(same.status.success() && stdout(&same).contains("\nidentical: "), "{same:?}");
    // Saved decisions need no server but for the component.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let shown = terminal.json(&["decision", "show", &decision]).await;
    std::fs::write(file("decision.json"), shown.to_string()).unwrap();
    let offline = Command::new(program::interlock())
        .args(["plugin", "replay", &file("decision.json"), "--plugin", &component("signature")])
        .env_clear()
        .output();
    let offline = offline.await.unwrap();
    assert!(offline.status.success(), "{offline:?}");

    let mut functions = Vec::new();
    for name in ["signature", "maintenance-window", "thresholds", "canary"] {
        let again = terminal.json(&["plugin", "replay", "--since", "1d", "--gate", name]).await;
        let count = |key: &str| again[key].as_u64().unwrap();
        assert!(count("replayed") > 0, "{name}: {again:#}");
        assert_eq!(
            (count("changed"), count("not_asked"), count("not_reproduced")),
            (0, 0, 0),
            "{name}: {again:#}"
        );
        for replay in again["replays"].as_array().unwrap() {
            functions.push(text(replay, "/function"));
        }
        let cases = file(&format!("{name}.yaml"));
        let (component, record) = (component(name), ["--record-since", "1d", "--limit", "200"]);
        let tested = terminal.run(&[&["plugin", "test", &component, &cases][..], &record].concat()).await;
        let said = String::from_utf8_lossy(&tested.stderr).into_owned();
        assert!(
            tested.status.success() && !said.contains("becomes no case"),
            "{name}: {said}{}",
            stdout(&tested)
        );
        assert!(said.contains(&format!("{} cases added", count("replayed"))), "{name}: {said}");
        assert!(Path::new(&cases).is_file());
    }
    for function in ["evaluate", "needs", "judge", "plan", "advance"] {
        assert!(functions.iter().any(|asked| asked == function), "nothing of `{function}`: {functions:?}");
    }

    // Stricter settings: what would have been different, and where.
    std::fs::write(
        file("strict.json"),
        json!({ "min_samples": 1_000_000, "require_samples": true }).to_string(),
    )
    .unwrap();
    let strict =
        ["plugin", "replay", "--since", "1d", "--gate", "thresholds", "--settings", &file("strict.json")];
    let mild = terminal.run(&strict).await;
    assert_eq!(mild.status.code(), Some(0), "{mild:?}");
    let minded = terminal.run(&[&strict[..], &["--fail-on-change"]].concat()).await;
    assert_eq!(minded.status.code(), Some(1), "{minded:?}");
    drop(fleet);
}
