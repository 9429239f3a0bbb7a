use super::*;
use crate::keys::SigningKey;
use crate::tree::{Leaves, ProofPlan, leaf_hash, root_at};

const ORIGIN: &str = "interlock.example.com/ledger/t1";

fn leaves(count: u64, from_fork: u64) -> Vec<Hash> {
    (0..count)
        .map(|n| leaf_hash(format!("{n} {}", if n >= from_fork { "other" } else { "" }).as_bytes()))
        .collect()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn checkpoint(leaves: &[Hash]) -> Checkpoint {
    let size = leaves.len() as u64;
    Checkpoint { origin: ORIGIN.to_owned(), size, root: root_at(size, &Leaves(leaves)).unwrap() }
}

fn submission(old: u64, leaves: &[Hash]) -> Submission {
    let plan = ProofPlan::consistency(old, leaves.len() as u64);
    let proof = plan.map(|plan| plan.build(&Leaves(leaves)).unwrap()).unwrap_or_default();
    Submission { old, proof, note: checkpoint(leaves).sign(&key(1)).unwrap() }
}

fn logs() -> KnownLogs {
    [key(1).verifying_key().clone()].into_iter().collect()
}

fn judged(submission: &Submission, latest: Option<&[Hash]>) -> Result<Checkpoint, NotCosigned> {
    judge(submission, &logs(), |origin| {
        assert_eq!(origin, ORIGIN);
        latest.map(checkpoint)
    })
}

#[test]
fn what_continues_is_cosigned_and_nothing_else_is() {
    let all = leaves(20, 99);
    assert_eq!(judged(&submission(0, &all[..7]), None), Ok(checkpoint(&all[..7])));
    assert_eq!(judged(&submission(7, &all), Some(&all[..7])), Ok(checkpoint(&all)));
    // The same again is the same.
    assert_eq!(judged(&submission(20, &all), Some(&all)), Ok(checkpoint(&all)));

    let fork = leaves(20, 5);
    let inconsistent = |judged| matches!(judged, Err(NotCosigned::Inconsistent(_)));
    assert!(inconsistent(judged(&submission(7, &fork), Some(&all[..7]))), "another history");
    assert!(inconsistent(judged(&submission(20, &fork), Some(&all))), "another root at one size");
    let mut wrong = submission(7, &all);
    wrong.proof.pop();
    assert!(inconsistent(judged(&wrong, Some(&all[..7]))));

    assert_eq!(judged(&submission(6, &all), Some(&all[..7])), Err(NotCosigned::Conflict { size: 7 }));
    assert_eq!(judged(&submission(0, &all), Some(&all[..7])), Err(NotCosigned::Conflict { size: 7 }));
    assert_eq!(judged(&submission(7, &all), None), Err(NotCosigned::Conflict { size: 0 }));
    // Cut off: the log has fewer entries than were cosigned.
    assert_eq!(judged(&submission(3, &all[..3]), Some(&all[..7])), Err(NotCosigned::Conflict { size: 7 }));
    let beyond = Submission { old: 7, ..submission(0, &all[..3]) };
    assert_eq!(judged(&beyond, Some(&all[..7])), Err(NotCosigned::OldBeyondSize { old: 7, size: 3 }));
    let needless = Submission { old: 0, ..submission(3, &all[..7]) };
    assert_eq!(judged(&needless, None), Err(NotCosigned::Empty));
}

#[test]
fn only_a_known_log_with_its_own_key_is_heard() {
    let all = leaves(4, 99);
    let mut elsewhere = checkpoint(&all);
    elsewhere.origin = "example.com/other".to_owned();
    let other = SigningKey::from_seed("example.com/other", &[1; 32]).unwrap();
    let note = elsewhere.sign(&other).unwrap();
    let unknown = Submission { old: 0, proof: vec![], note };
    assert!(matches!(judge(&unknown, &logs(), |_| None), Err(NotCosigned::UnknownLog { .. })));
    let note = checkpoint(&all).sign(&key(2)).unwrap();
    let forged = Submission { old: 0, proof: vec![], note };
    assert!(matches!(judge(&forged, &logs(), |_| None), Err(NotCosigned::NotByLog(_))));
    let altered = submission(0, &all).to_string().replace("\n4\n", "\n5\n");
    let altered = Submission::parse(altered.as_bytes()).unwrap();
    assert!(matches!(judge(&altered, &logs(), |_| None), Err(NotCosigned::NotByLog(_))));
}

#[test]
fn an_empty_log_has_one_root() {
    let empty = Checkpoint { origin: ORIGIN.to_owned(), size: 0, root: EMPTY_ROOT };
    let submit = |root| {
        let note = Checkpoint { root, ..empty.clone() }.sign(&key(1)).unwrap();
        judge(&Submission { old: 0, proof: vec![], note }, &logs(), |_| None)
    };
    assert_eq!(submit(EMPTY_ROOT), Ok(empty.clone()));
    assert_eq!(submit([7; 32]), Err(NotCosigned::Empty));
}

#[test]
fn a_submission_reads_back_and_what_is_none_is_refused() {
    let good = submission(7, &leaves(20, 99));
    let text = good.to_string();
    assert_eq!(Submission::parse(text.as_bytes()), Ok(good));
    let crowd = format!("{}\n", STANDARD.encode([0; 32])).repeat(64);
    let (_, note) = text.split_once("\n\n").unwrap();
    for bad in [
        "",
        "old 7",
        "\n\n",
        &text.replace("old 7", "old 07"),
        &text.replace("old 7", "old -1"),
        &text.replace("old 7", "new 7"),
        &text.replacen('=', "", 1),
        &text.replace("\n\n", "\n"),
        &text.replace('\n', "\r\n"),
        text.trim_end(),
        &format!("old 7\n{crowd}\n{note}"),
    ] {
        assert!(matches!(Submission::parse(bad.as_bytes()), Err(NotCosigned::Malformed { .. })), "{bad}");
    }
    assert!(Submission::parse(&vec![b'a'; SUBMISSION_BYTES_MAX + 1]).is_err());
}

#[test]
fn of_an_answer_only_trusted_cosignatures_are_taken() {
    let note = submission(0, &leaves(4, 99)).note;
    let witness = |n: u8| SigningKey::from_seed(&format!("witness.example/w{n}"), &[n; 32]).unwrap();
    let mut answer = SignedNote::new(note.unverified_text()).unwrap();
    answer.cosign(&witness(3), 7).unwrap();
    answer.cosign(&witness(4), 8).unwrap();
    let trusted: Keyring = [witness(3).cosigning_key().unwrap()].into_iter().collect();
    let taken = cosigned(&note, &answer.signature_lines(), &trusted).unwrap();
    assert_eq!(taken.signature_lines().lines().count(), 1);
    let mut merged = note.clone();
    merged.merge(taken).unwrap();
    assert_eq!(merged.verify(&trusted).unwrap()[0].unix_secs, Some(7));
    assert!(cosigned(&note, "buy milk\n", &trusted).is_err());
    assert!(cosigned(&note, "", &trusted).is_err());
    let stranger: Keyring = [witness(5).cosigning_key().unwrap()].into_iter().collect();
    assert!(matches!(
        cosigned(&note, &answer.signature_lines(), &stranger),
        Err(NoteError::NotSigned { .. })
    ));
}
