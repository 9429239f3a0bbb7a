//! The witness over HTTP, and what it remembers: one history of each log, whatever happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use interlock_ledger::{
    Checkpoint, Hash, SignedNote, SigningKey,
    tree::{Leaves, ProofPlan, leaf_hash, root_at},
    witness::{Submission, cosigned},
};
use interlock_witness::{Witness, WitnessError, router};
use tower::ServiceExt as _;

const ORIGIN: &str = "interlock.example.com/ledger/t1";
/// SHA-256 of the origin.
fn origin_sha256() -> String {
    interlock_ledger::Digest::of(ORIGIN).to_hex()
}

fn leaves(count: u64, from_fork: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(format!("{n} {}", n >= from_fork).as_bytes())).collect()
}

fn log_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn witness_key() -> SigningKey {
    SigningKey::from_seed("witness.example/w1", &[7; 32]).unwrap()
}

fn note(leaves: &[Hash], key: &SigningKey) -> SignedNote {
    let size = leaves.len() as u64;
    let root = root_at(size, &Leaves(leaves)).unwrap();
    Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(key).unwrap()
}

fn submission(old: u64, leaves: &[Hash]) -> Submission {
    let plan = ProofPlan::consistency(old, leaves.len() as u64);
    let proof = plan.map(|plan| plan.build(&Leaves(leaves)).unwrap()).unwrap_or_default();
    Submission { old, proof, note: note(leaves, &log_key(1)) }
}

fn open(folder: &Path) -> std::io::Result<Arc<Witness>> {
    let logs = [log_key(1).verifying_key().clone()].into_iter().collect();
    let ticks = AtomicU64::new(1_795_197_600);
    let clock = move || ticks.fetch_add(1, Ordering::Relaxed);
    Witness::open(witness_key(), logs, folder.to_owned(), Arc::new(clock)).map(Arc::new)
}

async fn ask(
    witness: &Arc<Witness>,
    method: Method,
    path: &str,
    body: String,
) -> (StatusCode, String, String) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
    let answer = router(witness.clone()).oneshot(request).await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, kind.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
}

async fn add(witness: &Arc<Witness>, submission: &Submission) -> (StatusCode, String, String) {
    ask(witness, Method::POST, "/add-checkpoint", submission.to_string()).await
}

async fn newest(witness: &Arc<Witness>) -> (StatusCode, String, String) {
    ask(witness, Method::GET, &format!("/{}/checkpoint", origin_sha256()), String::new()).await
}

#[tokio::test]
async fn what_continues_is_cosigned_kept_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path()).unwrap();
    let all = leaves(20, 99);
    assert_eq!(newest(&witness).await.0, StatusCode::NOT_FOUND);
    for (old, size) in [(0, 7), (7, 7), (7, 20)] {
        let submitted = submission(old, &all[..size]);
        let (status, _, lines) = add(&witness, &submitted).await;
        assert_eq!(status, StatusCode::OK, "{lines}");
        let trusted = [witness_key().cosigning_key().unwrap()].into_iter().collect();
        let answer = cosigned(&submitted.note, &lines, &trusted).unwrap();
        assert!(answer.verify(&trusted).unwrap()[0].unix_secs.unwrap() >= 1_795_197_600);
        let both = [witness_key().cosigning_key().unwrap(), log_key(1).verifying_key().clone()];
        let (status, kind, text) = newest(&witness).await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/plain; charset=utf-8"));
        let opened = Checkpoint::open(text.as_bytes(), ORIGIN, &both.into_iter().collect()).unwrap();
        assert_eq!((opened.checkpoint().size, opened.witnesses().count()), (size as u64, 1));
    }
}

#[tokio::test]
async fn each_refusal_has_the_status_that_the_specification_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path()).unwrap();
    let (all, fork) = (leaves(20, 99), leaves(20, 5));
    assert_eq!(add(&witness, &submission(0, &all[..7])).await.0, StatusCode::OK);
    let (status, kind, size) = add(&witness, &submission(0, &all)).await;
    assert_eq!((status, kind.as_str(), size.as_str()), (StatusCode::CONFLICT, "text/x.tlog.size", "7\n"));
    // A log that was cut off, and one that forked.
    assert_eq!(add(&witness, &submission(3, &all[..5])).await.0, StatusCode::CONFLICT);
    assert_eq!(add(&witness, &submission(7, &fork)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(add(&witness, &submission(7, &fork[..7])).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let beyond = Submission { old: 8, ..submission(0, &all[..7]) };
    assert_eq!(add(&witness, &beyond).await.0, StatusCode::BAD_REQUEST);
    let forged = Submission { note: note(&all, &log_key(2)), ..submission(7, &all) };
    assert_eq!(add(&witness, &forged).await.0, StatusCode::FORBIDDEN);
    let stranger = SigningKey::from_seed("example.com/other", &[1; 32]).unwrap();
    let root = root_at(20, &Leaves(&all)).unwrap();
    let other =
        Checkpoint { origin: "example.com/other".to_owned(), size: 20, root }.sign(&stranger).unwrap();
    assert_eq!(
        add(&witness, &Submission { note: other, ..submission(0, &all) }).await.0,
        StatusCode::NOT_FOUND
    );
    for bad in ["", "old 7\n", "old x\n\n", "buy milk"] {
        let (status, _, said) = ask(&witness, Method::POST, "/add-checkpoint", bad.to_owned()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {said}");
    }
    let huge = "a".repeat(1 << 20);
    assert_eq!(ask(&witness, Method::POST, "/add-checkpoint", huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(&witness, Method::GET, "/../checkpoint", String::new()).await.0, StatusCode::NOT_FOUND);
    // Whatever was refused, nothing of it was remembered.
    assert!(newest(&witness).await.2.contains("\n7\n"));
}

#[tokio::test]
async fn what_was_cosigned_is_remembered_over_a_restart_and_by_one_witness_alone() {
    let folder = tempfile::tempdir().unwrap();
    let all = leaves(20, 99);
    let witness = open(folder.path()).unwrap();
    assert_eq!(add(&witness, &submission(0, &all[..7])).await.0, StatusCode::OK);
    let error = open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another witness uses this folder"), "{error}");
    drop(witness);
    let witness = open(folder.path()).unwrap();
    assert_eq!(add(&witness, &submission(0, &leaves(20, 5))).await.0, StatusCode::CONFLICT);
    assert_eq!(add(&witness, &submission(7, &all)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn of_many_at_once_none_puts_an_older_checkpoint_back() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path()).unwrap();
    let all = leaves(40, 99);
    assert_eq!(add(&witness, &submission(0, &all[..1])).await.0, StatusCode::OK);
    let tasks = (2..=40).map(|size| {
        let (witness, all) = (witness.clone(), all.clone());
        tokio::spawn(async move { add(&witness, &submission(1, &all[..size])).await.0 })
    });
    let mut cosigned = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            StatusCode::OK => cosigned += 1,
            status => assert_eq!(status, StatusCode::CONFLICT),
        }
    }
    assert_eq!(cosigned, 1, "all but one prove from where it is no more");
}

#[tokio::test]
async fn when_the_disk_fails_nothing_is_cosigned_until_a_new_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let all = leaves(20, 99);
    let witness = open(folder.path()).unwrap();
    // Where the new file would be written there is a folder.
    let obstacle = folder.path().join(origin_sha256()).with_extension("new");
    std::fs::create_dir(&obstacle).unwrap();
    let failed = witness.add_checkpoint(submission(0, &all[..7]).to_string().as_bytes());
    assert!(matches!(failed, Err(WitnessError::Broken(_))), "{failed:?}");
    std::fs::remove_dir(&obstacle).unwrap();
    let (status, _, said) = add(&witness, &submission(0, &all[..7])).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(said.contains("start it again"), "{said}");
    drop(witness);
    let witness = open(folder.path()).unwrap();
    assert_eq!(add(&witness, &submission(0, &all[..7])).await.0, StatusCode::OK);
    // What it remembers was altered: it does not begin anew with that log.
    let file = folder.path().join(origin_sha256());
    std::fs::write(&file, "buy milk").unwrap();
    assert_eq!(add(&witness, &submission(0, &all)).await.0, StatusCode::INTERNAL_SERVER_ERROR);
}
