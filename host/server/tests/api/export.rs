//! Exports for inspectors: what is in them, that their files agree, and what they say when something is wrong.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
    process::Command,
};

use interlock_domain::{Digest, Role};
use interlock_ledger::{Checkpoint, Entry, Keyring, Receipt, SignedNote, VerifyingKey};
use interlock_server::testing::{Answer, TestApp};
use interlock_vault::esig;
use serde_json::{Value, json};
use zip::ZipArchive;

use crate::esign::{both, hospital, intent, path, sign, touch};

/// The files of an export.
pub(crate) struct Export(BTreeMap<String, Vec<u8>>);

impl Export {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert!(answer.status.is_success(), "{}: {}", answer.status, answer.text());
        assert_eq!(answer.header("content-type"), "application/zip");
        let mut zip = ZipArchive::new(Cursor::new(&answer.body)).unwrap();
        let mut files = BTreeMap::new();
        for at in 0..zip.len() {
            let mut inside = zip.by_index(at).unwrap();
            let mut content = Vec::new();
            inside.read_to_end(&mut content).unwrap();
            files.insert(inside.name().unwrap().into_owned(), content);
        }
        Self(files)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.0[name].clone()).unwrap()
    }

    pub(crate) fn below(&self, folder: &str) -> Vec<&Vec<u8>> {
        self.0.iter().filter(|(name, _)| name.starts_with(folder)).map(|(_, content)| content).collect()
    }

    pub(crate) fn manifest(&self) -> Value {
        let key: VerifyingKey = self.text("keys/server.vkey").trim().parse().unwrap();
        let kind = "application/vnd.interlock.export.v1+json";
        serde_json::from_slice(&esig::said(&self.0["manifest.dsse.json"], kind, &key).unwrap()).unwrap()
    }

    fn entries(&self) -> Vec<Entry> {
        self.text("records.jsonl").lines().map(|line| Entry::parse(line.as_bytes()).unwrap()).collect()
    }

    /// The text of the PDF as another program reads it.
    fn printed(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.pdf");
        std::fs::write(&file, &self.0["report.pdf"]).unwrap();
        let ran = Command::new("pdftotext").arg("-layout").arg(&file).arg("-").output();
        let ran = ran.unwrap_or_else(|error| panic!("pdftotext: {error}; `apt-get install poppler-utils`"));
        String::from_utf8(ran.stdout).unwrap()
    }
}

#[tokio::test]
async fn an_export_of_a_change_has_its_signatures_as_people_read_them_and_its_entries_in_every_file() {
    let mut world = hospital().await;
    let change = world.approving("=HYPERLINK(\"http://x\") <b>2.0</b>").await;
    let offer = intent(&world.ana, &change).await;
    let proof = touch(&mut world.ana, &offer);
    sign(&world.ana, &change, &offer, proof).await.ok();
    let offer = intent(&world.ben, &change).await;
    let proof = both(&world.ben, &world.app);
    sign(&world.ben, &change, &offer, proof).await.ok();
    let auditor = world.app.person("Kim", &[Role::Auditor]).await;
    let id = change["id"].as_str().unwrap();
    let export = Export::of(&auditor.get(&format!("/ledger/export?change={id}")).await);

    let entries = export.entries();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.kind.as_str()).collect();
    for kind in [
        "change.proposed",
        "change.gates_passed",
        "change.approved",
        "signature.made",
        "decision.policy",
        "decision.plugin",
    ] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert!(!kinds.contains(&"account.written"), "{kinds:?}");

    // One checkpoint, and as many entries everywhere.
    let manifest = export.manifest();
    let count = entries.len();
    assert_eq!(manifest["entries"], count.to_string());
    assert_eq!(manifest["files"], Digest::of(export.text("SHA256SUMS")).to_string());
    assert_eq!(export.below("proofs/").len(), count);
    assert_eq!(export.text("records.csv").matches("\r\n").count(), count + 1, "and the headings");
    let html = export.text("report.html");
    let printed = export.printed();
    for entry in &entries {
        assert!(html.contains(&format!("<tr><td>{}</td>", entry.idx)), "{} in the page", entry.idx);
        let row = |line: &str| line.split_whitespace().next() == Some(&entry.idx.to_string());
        assert!(printed.lines().any(row), "{} in the PDF", entry.idx);
    }
    let log: VerifyingKey = export.text("keys/log.vkey").trim().parse().unwrap();
    let (origin, keys) = (log.name().to_owned(), Keyring::from_iter([log]));
    let checkpoint = SignedNote::parse(&export.0["checkpoint"]).unwrap();
    let checkpoint = Checkpoint::open_note(&checkpoint, &origin, &keys).unwrap().checkpoint().clone();
    assert_eq!(manifest["size"], checkpoint.size.to_string());
    for (proof, line) in export.below("proofs/").into_iter().zip(export.text("records.jsonl").lines()) {
        let receipt = Receipt::parse(proof).unwrap();
        assert_eq!(receipt.verify(line.as_bytes(), &origin, &keys).unwrap().checkpoint(), &checkpoint);
    }

    // 21 CFR 11.50: printed name, date and time, meaning; in both forms that people read.
    assert_eq!(export.below("signatures/").len(), 2);
    for shown in [
        "Ana Sousa",
        "Ben Okafor",
        "approval",
        "I approve this change as it is shown here.",
        "bench results attached",
    ] {
        assert!(html.contains(shown), "{shown} in the page");
        assert!(printed.contains(shown), "{shown} in the PDF: {printed}");
    }
    let at = world.app.app.clock.now().to_string();
    assert!(printed.contains(&format!("{at} (UTC)")) && printed.contains("in Europe/Lisbon"), "{printed}");
    // What somebody wrote is neither a formula nor markup.
    assert!(!export.text("records.csv").contains("\"=") && !html.contains("<b>2.0"), "{html}");

    // That it was exported is an entry, too.
    let newest = auditor.get("/ledger/entries?limit=1").await.ok();
    assert_eq!(newest["items"][0]["entry"]["type"], "ledger.exported");
    assert_eq!(newest["items"][0]["payload"]["entries"], count.to_string());
    let verified = auditor.ask(axum::http::Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    let operator = world.app.person("Oda", &[Role::Operator]).await;
    operator.get(&path(&change, "")).await.ok();
    operator.get(&format!("/ledger/export?change={id}")).await.problem("denied");
}

#[tokio::test]
async fn an_export_is_by_person_device_or_period_and_shows_what_was_and_what_is() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let pump = json!([{ "id": "pump-1", "environment": "production", "model": "x2", "site": "north" }]);
    admin.post("/devices:import", pump).await.ok();
    app.clock.advance(1_000);
    let moved = app.app.clock.now().to_string();
    let etag = admin.get("/devices/pump-1").await.header("etag").to_owned();
    let update = json!({ "site": "south" });
    admin.ask(axum::http::Method::PATCH, "/devices/pump-1", &[("if-match", &etag)], Some(update)).await.ok();
    let of = async |query: &str| Export::of(&auditor.get(&format!("/ledger/export?{query}")).await);

    let device = of("device=pump-1").await;
    assert_eq!(device.entries().len(), 2);
    assert!(device.text("report.html").contains("site: north → south"), "{}", device.text("report.html"));
    let period = of(&format!("from={moved}&device=pump-1")).await;
    assert_eq!(period.entries().len(), 1);
    assert!(period.text("records.csv").contains("site: north → south"), "by what was before the period");
    let earlier = of(&format!("until={moved}")).await;
    assert!(
        earlier.entries().iter().all(|entry| entry.kind != "ledger.exported") && earlier.entries().len() > 2
    );

    let accounts = auditor.get("/accounts").await.ok();
    let eva = accounts["items"].as_array().unwrap().iter().find(|account| account["name"] == "Eva").unwrap();
    let person = of(&format!("person={}", eva["person"].as_str().unwrap())).await;
    let account = eva["id"].as_str().unwrap();
    assert!(
        person.entries().iter().any(|entry| entry.kind == "account.written" && entry.object.id == account)
    );
    assert!(person.entries().iter().any(|entry| entry.kind == "device.registered"));
    assert!(
        person.entries().iter().all(|entry| entry.actor.account == account || entry.object.id == account)
    );
    assert!(person.text("records.csv").contains("\"Eva\""));
}

#[tokio::test]
async fn an_export_that_nobody_can_mean_or_that_is_too_large_is_refused_with_what_to_do() {
    let app = TestApp::configured(|config| config.ledger.export_entries_max = 4).await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let refused = async |query: &str| auditor.get(&format!("/ledger/export?{query}")).await;
    let person = "per_00000000000000000000000000000007";
    let problem = refused(&format!("device=a&person={person}")).await.problem("invalid");
    assert_eq!(problem["parameter"], "change");
    assert_eq!(refused("from=yesterday").await.problem("invalid")["parameter"], "from");
    let back = "from=2026-11-20T18:00:00.000Z&until=2026-11-20T18:00:00.000Z";
    assert_eq!(refused(back).await.problem("invalid")["parameter"], "until");
    refused("device=none").await.problem("not-found");
    refused("change=chg_00000000000000000000000000000007").await.problem("not-found");
    // As many as the limit are exported, one more is not.
    let size =
        async || auditor.get("/ledger/entries?limit=1").await.ok()["items"][0]["index"].as_u64().unwrap() + 1;
    assert!(size().await <= 4);
    while size().await < 4 {
        app.app.store.signed("mercy").await.unwrap();
        Export::of(&refused("").await);
    }
    assert_eq!(Export::of(&refused("").await).entries().len(), 4);
    let problem = refused("").await.problem("invalid");
    assert!(problem["detail"].as_str().unwrap().contains("ledger.export_entries_max"), "{problem}");
    assert_eq!(size().await, 5, "what is refused leaves no entry");
}

#[tokio::test]
async fn what_was_altered_is_exported_too_and_named_first() {
    let app = TestApp::start().await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    app.person("Vera", &[Role::Viewer]).await;
    app.app.store.signed("mercy").await.unwrap();
    // Somebody with the whole database: the walls in it do not stop them.
    let alter = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1].removeprefix('sqlite:'))
db.execute('DROP TRIGGER ledger_entries_fixed')
found = db.execute(\"UPDATE ledger_entries SET body = CAST(replace(CAST(body AS TEXT), 'account.written', 'account.harmless') AS BLOB) \\
    WHERE log = 'mercy' AND kind = 'account.written' AND idx = (SELECT MAX(idx) FROM ledger_entries WHERE log = 'mercy' AND kind = 'account.written')\")
assert found.rowcount == 1
db.commit()";
    let ran = Command::new("python3").args(["-c", alter, &app.app.config.store.url]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let export = Export::of(&auditor.get("/ledger/export").await);
    let (manifest, entries) = (export.manifest(), export.entries());
    let altered = entries.iter().find(|entry| entry.kind == "account.harmless").unwrap();
    assert_eq!(manifest["entries"], entries.len().to_string());
    assert_eq!(manifest["proofs"], (entries.len() - 1).to_string());
    assert_eq!(export.below("proofs/").len(), entries.len() - 1);
    let said = format!("Entry {} does not lead to the checkpoint", altered.idx);
    let page = export.text("report.html");
    assert!(page.find(&said).unwrap() < page.find("<h2>Entries").unwrap(), "{page}");
    assert!(export.printed().contains(&said) && export.text("records.csv").contains("\"not proved\""));
}
