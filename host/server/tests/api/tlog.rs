//! The ledger as other people's tools read it, and proofs from it.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{AccountKind, Role, Scope};
use interlock_ledger::{
    Checkpoint, Hash, KeyKind, Keyring, Receipt, Tile, TileKind, VerifyingKey,
    tile::{parse_bundle, parse_hashes},
    tree::{Leaves, leaf_hash, root_at, verify_consistency},
};
use interlock_server::testing::{Answer, Client, TENANT, TestApp};
use interlock_store::{By, Commit, Note, Write};
use serde_json::json;

use crate::house::{House, approve, path};

const ORIGIN: &str = "interlock.local/ledger/mercy";

/// Writes so many entries more.
async fn grown(app: &TestApp, entries: usize) {
    let note = |n: usize| {
        let (kind, object_kind) = ("server.started", "server");
        Write::Note(Note { kind, object_kind, object_id: format!("node-{n}"), payload: json!({ "n": n }) })
    };
    let by = By { person: None, account: "host".to_owned(), auth: None };
    let writes = (0..entries).map(note).collect();
    let (clock, tenant) = (&app.app.clock, TENANT.parse().unwrap());
    app.app.store.commit(Commit::new(tenant, by, clock.now(), writes, || clock.uuid())).await.unwrap();
}

async fn read(who: &Client, path: &str) -> Answer {
    who.send(Method::GET, &format!("//ledger/{path}"), &[], Body::empty()).await
}

/// The keys as a person would have been given them.
async fn keys(who: &Client) -> Keyring {
    let listed = who.get("/ledger/keys").await.ok();
    assert_eq!(listed["origin"], ORIGIN, "{listed}");
    let keys = listed["keys"].as_array().unwrap().iter();
    keys.map(|key| key["vkey"].as_str().unwrap().parse::<VerifyingKey>().unwrap()).collect()
}

#[tokio::test]
async fn whoever_has_the_tiles_and_bundles_has_the_log_that_was_signed() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    grown(&app, 600).await;
    let signed = read(&kim, "mercy/checkpoint").await;
    assert_eq!(signed.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(signed.header("cache-control"), "no-store");
    let opened = Checkpoint::open(&signed.body, ORIGIN, &keys(&kim).await).unwrap();
    let Checkpoint { size, root, .. } = opened.checkpoint();
    let (mut leaves, mut from_bundles): (Vec<Hash>, Vec<Hash>) = (Vec::new(), Vec::new());
    for tile in Tile::grown(0, *size) {
        let answer = read(&kim, &format!("mercy/{tile}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{tile}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable", "{tile}");
        match tile.kind() {
            TileKind::Entries => {
                let bodies = parse_bundle(&answer.body, tile.width()).unwrap();
                from_bundles.extend(bodies.into_iter().map(leaf_hash));
            }
            TileKind::Hashes(0) => leaves.extend(parse_hashes(&answer.body, tile.width()).unwrap()),
            TileKind::Hashes(_) => {
                let whole: Vec<Hash> =
                    leaves.chunks_exact(256).map(|whole| root_at(256, &Leaves(whole)).unwrap()).collect();
                assert_eq!(parse_hashes(&answer.body, tile.width()).unwrap(), whole);
            }
        }
    }
    assert_eq!(leaves, from_bundles);
    assert_eq!(&root_at(*size, &Leaves(&leaves)).unwrap(), root);
}

#[tokio::test]
async fn what_is_no_tile_of_the_log_is_said_to_be_none() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    grown(&app, 300).await;
    let newest = read(&kim, "mercy/checkpoint").await.text();
    let size: u64 = newest.lines().nth(1).unwrap().parse().unwrap();
    let width = size - 256;
    let table = [
        // Not how a tile is written.
        ("tile/0/0", "no tile path"),
        ("tile/8/000", "no tile path"),
        ("tile/0/000.p/0", "no tile path"),
        ("tile/0/000.p/256", "no tile path"),
        ("tile/0/000.p/07", "no tile path"),
        ("tile/0/x000/000", "no tile path"),
        ("tile/entries/-01", "no tile path"),
        ("tile/data/000", "no tile path"),
        // Not there.
        ("tile/0/002", "ends before that"),
        ("tile/entries/999", "ends before that"),
        ("tile/1/000.p/2", "it has `tile/1/000.p/1`"),
        ("tile/2/000.p/1", "begins when 256 below it are full"),
        ("tile/0/001", &format!("it has `tile/0/001.p/{width}`")),
        (&format!("tile/entries/001.p/{}", width + 1), &format!("it has `tile/entries/001.p/{width}`")),
    ];
    for (path, said) in table {
        let problem = read(&kim, &format!("mercy/{path}")).await.problem("not-found");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{path}: {problem}");
    }
    // What was partial when an earlier checkpoint was signed is still there.
    let before = read(&kim, "mercy/tile/entries/001.p/3").await;
    assert_eq!(parse_bundle(&before.body, 3).unwrap().len(), 3);
}

#[tokio::test]
async fn the_log_is_read_by_auditors_of_its_tenant_alone_and_the_servers_own_by_those_of_the_system() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    for path in ["grace/checkpoint", "grace/tile/0/000", "system/checkpoint"] {
        read(&kim, path).await.problem("not-found");
    }
    let oda = app.person("Oda", &[Role::Operator]).await;
    read(&oda, "mercy/checkpoint").await.problem("denied");
    read(&oda, "mercy/tile/0/000.p/1").await.problem("denied");
    read(&app.client(TENANT, None), "mercy/checkpoint").await.problem("unauthenticated");
    let system = app.with_key("system", AccountKind::User, "Root", &[Role::Auditor], &[Scope::Read]).await;
    let checkpoint = read(&system, "system/checkpoint").await.text();
    assert!(checkpoint.starts_with("interlock.local/ledger/system\n"), "{checkpoint}");
    assert!(!read(&system, "system/tile/entries/000.p/1").await.body.is_empty());
}

#[tokio::test]
async fn a_receipt_proves_its_entry_without_the_server() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    grown(&app, 260).await;
    let keys = keys(&kim).await;
    for index in [0, 1, 255, 256, 261] {
        let answer = kim.get(&format!("/ledger/entries/{index}/receipt")).await;
        assert!(answer.header("content-type").starts_with("text/plain"));
        let receipt = Receipt::parse(&answer.body).unwrap();
        assert_eq!(receipt.index, index);
        receipt.verify(receipt.extra.as_ref().unwrap(), ORIGIN, &keys).unwrap();
    }
    for (index, said) in [("9999", "log of"), ("-1", "`-1`"), ("x", "`x`"), ("18446744073709551616", "1844")]
    {
        let problem = kim.get(&format!("/ledger/entries/{index}/receipt")).await.problem("not-found");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
    let oda = app.person("Oda", &[Role::Operator]).await;
    oda.get("/ledger/entries/0/receipt").await.problem("denied");
}

#[tokio::test]
async fn every_approval_and_the_admission_of_a_change_have_receipts() {
    let house = House::with(None).await;
    let change = house.propose().await;
    approve(&house.ben, &change).await.ok();
    approve(&house.rolf, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
    let listed = house.ana.get(&path(&change, "/receipts?limit=100")).await.ok();
    let items = listed["items"].as_array().unwrap();
    let kinds: Vec<&str> = items.iter().rev().map(|item| item["kind"].as_str().unwrap()).collect();
    let decided = ["change.proposed", "change.approved", "change.approved", "change.admitted"];
    assert_eq!(kinds.iter().filter(|kind| decided.contains(kind)).count(), 4, "{kinds:?}");
    let keys = keys(&house.ana).await;
    for item in items {
        let receipt = Receipt::parse(item["receipt"].as_str().unwrap().as_bytes()).unwrap();
        let body = receipt.extra.clone().unwrap();
        receipt.verify(&body, ORIGIN, &keys).unwrap();
        let entry = interlock_ledger::Entry::parse(&body).unwrap();
        assert_eq!((entry.kind.as_str(), entry.idx), (item["kind"].as_str().unwrap(), receipt.index));
        assert_eq!(json!(entry.object.id), change["id"]);
    }
    house.ben.get(&path(&change, "/receipts")).await.problem("denied");
    house.ana.get("/changes/chg_00000000000000000000000000/receipts").await.problem("not-found");
}

#[tokio::test]
async fn the_log_is_proved_to_continue_what_it_was() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    let keys = keys(&kim).await;
    let open = |text: &str| Checkpoint::open(text.as_bytes(), ORIGIN, &keys).unwrap().checkpoint().clone();
    let old = open(&read(&kim, "mercy/checkpoint").await.text());
    grown(&app, 300).await;
    let answer = kim.get(&format!("/ledger/consistency?from={}", old.size)).await.ok();
    let new = open(answer["checkpoint"].as_str().unwrap());
    assert_eq!((&answer["from"], &answer["to"]), (&json!(old.size), &json!(new.size)));
    let lines = answer["proof"].as_array().unwrap().iter();
    let proof: Vec<Hash> =
        lines.map(|line| STANDARD.decode(line.as_str().unwrap()).unwrap().try_into().unwrap()).collect();
    verify_consistency((old.size, &old.root), (new.size, &new.root), &proof).unwrap();
    let table = [
        ("", "from"),
        ("?from=0", "from"),
        ("?from=-1", "from"),
        ("?from=ten", "from"),
        ("?from=9999", "from"),
        ("?from=2&to=1", "from"),
        ("?from=1&to=9999", "to"),
        ("?from=1&until=2", "until"),
    ];
    for (query, parameter) in table {
        let problem = kim.get(&format!("/ledger/consistency{query}")).await.problem("invalid");
        assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
    }
    assert_eq!(kim.get("/ledger/consistency?from=1&to=1").await.ok()["proof"], json!([]));
}

#[tokio::test]
async fn the_keys_say_what_they_are_for() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    let listed = kim.get("/ledger/keys").await.ok();
    let purposes: Vec<_> =
        listed["keys"].as_array().unwrap().iter().map(|key| key["for"].as_str().unwrap()).collect();
    assert_eq!(purposes, ["log", "emitter"]);
    let log: VerifyingKey = listed["keys"][0]["vkey"].as_str().unwrap().parse().unwrap();
    assert_eq!((log.name(), log.kind()), (ORIGIN, KeyKind::Note));
}
