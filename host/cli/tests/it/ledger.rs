//! Receipts and consistency, as scripts meet them: what is proved, and what each exit code means.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_ledger::{
    Actor, Checkpoint, Emitter, EntryDraft, Object, Receipt, SigningKey,
    entry::NO_PREDECESSOR,
    tree::{Leaves, ProofPlan, leaf_hash, root_at},
};
use serde_json::json;
use tempfile::TempDir;

use crate::fake::{Body, FakeServer, Run, run};

pub(crate) const ORIGIN: &str = "interlock.local/ledger/default";

/// A log of 20 entries, and a folder to work in.
pub(crate) struct World {
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) key: SigningKey,
    folder: TempDir,
    server: FakeServer,
}

impl World {
    pub(crate) async fn new(seed: u8) -> Self {
        let key = SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap();
        let emitter = Emitter::new(SigningKey::from_seed("interlock", &[9; 32]).unwrap());
        let mut prev = NO_PREDECESSOR;
        let bodies = (0..20).map(|idx| {
            let draft = EntryDraft {
                actor: Actor { account: "host".to_owned(), ..Actor::default() },
                id: format!("entry-{idx}"),
                kind: "change.approved".to_owned(),
                object: Object { digest: None, id: "chg_1".to_owned(), kind: "change".to_owned() },
                tenant: "default".to_owned(),
                ts_ms: 1_795_197_600_000,
                after: None,
                before: None,
                data: None,
                outcome: None,
                policy: None,
                trace: None,
            };
            let sealed = draft.seal(ORIGIN, idx, prev, &emitter).unwrap();
            prev = sealed.leaf_hash;
            sealed.body
        });
        let bodies = bodies.collect();
        Self { bodies, key, folder: tempfile::tempdir().unwrap(), server: FakeServer::start().await }
    }

    fn leaves(&self) -> Vec<interlock_ledger::Hash> {
        self.bodies.iter().map(|body| leaf_hash(body)).collect()
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        let leaves = self.leaves();
        Checkpoint { origin: ORIGIN.to_owned(), size, root: root_at(size, &Leaves(&leaves)).unwrap() }
    }

    pub(crate) fn receipt(&self, index: u64) -> Receipt {
        let leaves = self.leaves();
        Receipt {
            index,
            proof: ProofPlan::inclusion(index, 20).unwrap().build(&Leaves(&leaves)).unwrap(),
            checkpoint: self.checkpoint(20).sign(&self.key).unwrap(),
            extra: Some(self.bodies[index as usize].clone()),
        }
    }

    fn consistency(&self, from: u64) -> Body {
        let leaves = self.leaves();
        let proof = ProofPlan::consistency(from, 20).unwrap().build(&Leaves(&leaves)).unwrap();
        let proof: Vec<String> = proof.iter().map(|hash| STANDARD.encode(hash)).collect();
        let checkpoint = self.checkpoint(20).sign(&self.key).unwrap().to_string();
        Body::Json(json!({ "from": from, "to": 20, "proof": proof, "checkpoint": checkpoint }))
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    async fn check(&self, more: &[&str]) -> Run {
        let key = self.key.verifying_key().to_string();
        run(&[&["ledger", "verify-receipt", "--log-key", &key], more].concat(), "").await
    }
}

#[tokio::test]
async fn receipts_are_fetched_kept_and_checked_without_the_server() {
    let world = World::new(1).await;
    let items: Vec<_> = [7, 3]
        .map(|index| json!({ "index": index, "kind": "change.approved", "receipt": world.receipt(index).to_string() }))
        .into();
    world.server.answers([(200, Body::Json(json!({ "items": items, "next_cursor": null })))]);
    let folder = world.folder.path().display().to_string();
    let fetched = world.server.run(&["ledger", "receipt", "--change", "chg_1", "--to", &folder], "").await;
    assert_eq!(fetched.code, 0, "{fetched:?}");
    assert!(world.server.asked()[0].0.ends_with("/changes/chg_1/receipts"));
    world.server.answers([(200, Body::Bytes(world.receipt(12).to_string().into_bytes()))]);
    let fetched = world.server.run(&["ledger", "receipt", "--entry", "12", "--to", &folder], "").await;
    assert!(fetched.code == 0 && fetched.stdout.contains("change.approved"), "{fetched:?}");
    let files = ["7", "3", "12"].map(|index| world.path(&format!("default-{index}.tlog-proof")));
    let checked = world.check(&files.each_ref().map(String::as_str)).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    for part in ["sound", "chg_1", "2026-11-20T18:00:00Z", "change.approved"] {
        assert!(checked.stdout.contains(part), "{part} in {}", checked.stdout);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_receipt_decides_the_exit_code() {
    let world = World::new(1).await;
    let good = world.receipt(7);
    let other = World::new(2).await.receipt(7).to_string();
    let altered = Receipt { extra: Some(world.bodies[8].clone()), ..good.clone() }.to_string();
    let moved = Receipt { index: 6, ..good.clone() }.to_string();
    let bare = Receipt { extra: None, ..good.clone() }.to_string();
    let resigned = good.to_string().replace("\n20\n", "\n21\n");
    let table = [
        (good.to_string(), 0, "sound"),
        (altered, 1, "tampered"),
        (moved, 1, "tampered"),
        (resigned, 1, "tampered"),
        (other, 2, "unverifiable"),
        (bare.clone(), 2, "does not carry its entry"),
        ("buy milk\n".to_owned(), 3, "malformed"),
        (good.to_string().replace("tlog-proof@v1", "tlog-proof@v9"), 3, "malformed"),
    ];
    for (text, code, said) in table {
        let checked = world.check(&[&world.file("receipt", &text)]).await;
        assert_eq!(checked.code, code, "{text}: {checked:?}");
        assert!(format!("{}{}", checked.stdout, checked.stderr).contains(said), "{said}: {checked:?}");
    }
    let (bare, body) = (world.file("bare", &bare), world.file("body", &world.bodies[7]));
    assert_eq!(world.check(&[&bare, "--entry", &body]).await.code, 0);
    assert_eq!(world.check(&[&world.path("nowhere")]).await.code, 3);
    // The worst of several counts.
    let good = world.file("good", good.to_string());
    assert_eq!(world.check(&[&good, &bare]).await.code, 2);
    let checked = run(&["ledger", "verify-receipt", &good, "--log-key", "no key"], "").await;
    assert_eq!(checked.code, 3, "{checked:?}");
    assert!(checked.stderr.contains("--log-key"), "{checked:?}");
}

#[tokio::test]
async fn a_receipt_counts_only_when_enough_witnesses_cosigned() {
    let world = World::new(1).await;
    let witness = |n: u8| SigningKey::from_seed(&format!("witness.example/w{n}"), &[n; 32]).unwrap();
    let mut receipt = world.receipt(7);
    receipt.checkpoint.cosign(&witness(3), 1_795_197_600).unwrap();
    let file = world.file("receipt", receipt.to_string());
    let keys = [3, 4].map(|n| witness(n).cosigning_key().unwrap().to_string());
    let one = world.check(&[&file, "--witness-key", &keys[0]]).await;
    assert!(one.code == 0 && one.stdout.contains("witness.example/w3"), "{one:?}");
    let both = ["--witness-key", &keys[0], "--witness-key", &keys[1]];
    let checked = world.check(&[&[file.as_str()], &both[..]].concat()).await;
    assert_eq!(checked.code, 2, "{checked:?}");
    assert!(checked.stdout.contains("1 of the 2 witnesses"), "{checked:?}");
    assert_eq!(world.check(&[&[file.as_str(), "--quorum", "1"], &both[..]].concat()).await.code, 0);
    assert_eq!(world.check(&[&[file.as_str(), "--quorum", "3"], &both[..]].concat()).await.code, 3);
    let wrong = world.check(&[&file, "--witness-key", &witness(3).verifying_key().to_string()]).await;
    assert_eq!(wrong.code, 3, "{wrong:?}");
}

#[tokio::test]
async fn a_log_must_continue_what_was_remembered_of_it() {
    let world = World::new(1).await;
    let memory: PathBuf = world.path("memory").into();
    let key = world.key.verifying_key().to_string();
    let ask = async || {
        let memory = memory.display().to_string();
        world.server.run(&["ledger", "consistency", "--remember", &memory, "--log-key", &key], "").await
    };
    let first = world.checkpoint(13).sign(&world.key).unwrap().to_string();
    world.server.answers([(200, Body::Bytes(first.clone().into_bytes()))]);
    let run = ask().await;
    assert!(run.code == 0 && run.stdout.contains("remembered"), "{run:?}");
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), first);

    // A fork is no continuation, and what was remembered stays.
    world.server.answers([(200, World::new(2).await.consistency(13))]);
    assert_eq!(ask().await.code, 2, "signed by another key");
    let mut fork = World::new(1).await;
    fork.bodies[3] = b"something else".to_vec();
    world.server.answers([(200, fork.consistency(13))]);
    let run = ask().await;
    assert!(run.code == 1 && run.stderr.contains("does not continue"), "{run:?}");
    let detail = "a tree of `13` entries cannot be shown to have grown into one of `9`";
    let shorter = json!({ "type": "/problems/invalid", "title": "A field does not fit", "detail": detail, "parameter": "from" });
    world.server.answers([(422, Body::Json(shorter))]);
    let run = ask().await;
    assert!(run.code == 1 && run.stderr.contains("grown into one of `9`"), "{run:?}");
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), first);

    world.server.answers([(200, world.consistency(13))]);
    let run = ask().await;
    assert!(run.code == 0 && run.stdout.contains("sound"), "{run:?}");
    assert!(std::fs::read_to_string(&memory).unwrap().contains("\n20\n"));
}

#[tokio::test]
async fn anchors_are_kept_with_what_shows_them_and_nothing_is_written_elsewhere() {
    let (server, folder) = (FakeServer::start().await, tempfile::tempdir().unwrap());
    let anchor = |name: &str, kind: &str| {
        json!({
            "anchor": name, "kind": kind, "size": 5, "at": "2026-11-20T18:00:00.000Z", "sha256": "ab", "reference": "number 1",
            "checkpoint": "origin\n5\nroot\n", "proof": STANDARD.encode(kind),
        })
    };
    let items = [anchor("tsa", "timestamp"), anchor("../../evil", "git"), anchor("chain", "stellar")];
    server.answers([(200, Body::Json(json!({ "items": items })))]);
    let to = folder.path().join("kept");
    let run = server.run(&["ledger", "anchors", "--to", to.to_str().unwrap()], "").await;
    assert_eq!(run.code, 0, "{run:?}");
    for shown in ["tsa", "timestamp", "number 1", "2026-11-20T18:00:00.000Z"] {
        assert!(run.stdout.contains(shown), "{shown}: {run:?}");
    }
    let mut kept: Vec<String> = std::fs::read_dir(&to)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    let expected = [
        ".._.._evil-5.checkpoint",
        ".._.._evil-5.commit",
        "chain-5.checkpoint",
        "chain-5.xdr",
        "tsa-5.checkpoint",
        "tsa-5.tsr",
    ];
    assert_eq!(kept, expected);
    assert_eq!(std::fs::read(to.join("tsa-5.tsr")).unwrap(), b"timestamp");
    assert_eq!(std::fs::read_to_string(to.join("tsa-5.checkpoint")).unwrap(), "origin\n5\nroot\n");
}

#[tokio::test]
async fn every_decision_is_made_again_and_what_differs_is_named() {
    let world = World::new(1).await;
    let list = json!({ "items": [{ "id": "dec_2" }, { "id": "dec_1" }], "next_cursor": null });
    let same = Body::Json(json!({ "decision": "dec_2", "identical": true, "differences": [] }));
    let other = Body::Json(
        json!({ "decision": "dec_1", "identical": false, "differences": ["then pass, now fail"] }),
    );
    let verified = json!({ "outcome": "sound", "changes_rebuilt": 3, "findings": [] });
    let altered = json!({ "outcome": "tampered", "changes_rebuilt": 2,
        "findings": [{ "index": 7, "what": "change `chg_1` is not what its events say", "expected": "a", "found": "b" }] });
    for (second, verified, code, said) in [
        (same.clone(), &verified, 0, "sound"),
        (other, &verified, 1, "dec_1: then pass, now fail"),
        (same.clone(), &altered, 1, "entry 7: change `chg_1` is not what its events say"),
    ] {
        let answers = [Body::Json(list.clone()), same.clone(), second, Body::Json(verified.clone())];
        world.server.answers(answers.map(|body| (200, body)));
        let run = world.server.run(&["ledger", "replay", "--change", "chg_1"], "").await;
        assert!(run.code == code && run.stdout.contains(said), "{said}: {run:?}");
    }
    assert!(world.server.asked()[1].0.ends_with("/decisions/dec_2/replay"), "{:?}", world.server.asked());
}
