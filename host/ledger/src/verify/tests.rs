use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::canonical::{parse_strict, to_canonical};
use crate::digest::Digest;
use crate::entry::{Actor, Emitter, EntryDraft, Object};
use crate::keys::SigningKey;
use crate::note::SignedNote;
use crate::tree::leaf_hash;

const ORIGIN: &str = "interlock.example.com/ledger/t1";
const SIZE: u64 = 12;

fn log_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn emitter() -> Emitter {
    Emitter::new(SigningKey::from_seed("node-1", &[2; 32]).unwrap())
}

fn keys() -> Keyring {
    [log_key().verifying_key().clone(), emitter().verifying_key().clone()].into_iter().collect()
}

/// A sound ledger, and the checkpoint over it.
fn ledger(size: u64) -> (Vec<StoredRow>, Checkpoint) {
    let (emitter, mut tree, mut prev) = (emitter(), Frontier::new(), NO_PREDECESSOR);
    let rows = (0..size).map(|idx| {
        let payload = format!("payload {idx}").into_bytes();
        let draft = EntryDraft {
            id: format!("evt_{idx}"),
            ts_ms: 1_795_197_600_000 + idx as i64,
            kind: "change.approved".into(),
            tenant: "t1".into(),
            actor: Actor { account: "a-9".into(), auth: None, person: Some("p-17".into()) },
            object: Object { digest: None, id: format!("chg_{}", idx % 3), kind: "change".into() },
            before: None,
            after: Some(Digest::of(idx.to_be_bytes())),
            data: Some(Digest::of(&payload)),
            outcome: Some("allow".into()),
            policy: None,
            trace: None,
        };
        let sealed = draft.seal(ORIGIN, idx, prev, &emitter).unwrap();
        prev = sealed.leaf_hash;
        tree.push(prev);
        let projection = Projection {
            kind: "change.approved".into(),
            object_kind: "change".into(),
            object_id: format!("chg_{}", idx % 3),
            at_ms: 1_795_197_600_000 + idx as i64,
        };
        let (payload, projection) = (Some(payload), Some(projection));
        StoredRow { idx, body: sealed.body, leaf_hash: prev.to_vec(), payload, projection }
    });
    let rows = rows.collect();
    (rows, Checkpoint { origin: ORIGIN.into(), size, root: tree.root() })
}

fn verify(rows: &[StoredRow], checkpoint: Option<&Checkpoint>) -> Report {
    let mut verifier = Verifier::new(ORIGIN, keys());
    rows.iter().for_each(|row| drop(verifier.push(row)));
    verifier.finish(checkpoint)
}

/// Tampers with a sound ledger and names what the verifier finds: `idx: what`.
fn check(tamper: impl FnOnce(&mut Vec<StoredRow>), expected: &[&str]) {
    let (mut rows, checkpoint) = ledger(SIZE);
    tamper(&mut rows);
    assert_eq!(names(&verify(&rows, Some(&checkpoint))), expected);
}

fn names(report: &Report) -> Vec<String> {
    let name = |f: &Finding| f.idx.map_or(f.what.to_string(), |idx| format!("{idx}: {}", f.what));
    report.findings.iter().map(name).collect()
}

/// Changes the JSON of a row; its stored hash stays behind.
fn edit(row: &mut StoredRow, change: impl FnOnce(&mut Value)) {
    let mut value = parse_strict(&row.body).unwrap();
    change(&mut value);
    row.body = to_canonical(&value).unwrap();
}

/// What an attacker with the whole database does after an edit: new hashes, new chain.
fn rehash(rows: &mut [StoredRow]) {
    let mut prev = NO_PREDECESSOR;
    for row in rows {
        edit(row, |v| v["prev"] = json!(hex::encode(prev)));
        prev = leaf_hash(&row.body);
        row.leaf_hash = prev.to_vec();
    }
}

#[test]
fn a_sound_ledger_is_sound() {
    for size in [0, 1, 2, 7, SIZE] {
        let (rows, checkpoint) = ledger(size);
        let report = verify(&rows, Some(&checkpoint));
        assert_eq!((report.verdict(), report.entries, report.root), (Verdict::Sound, size, checkpoint.root));
    }
}

#[test]
fn every_changed_field_is_found_at_its_entry() {
    let fields = parse_strict(&ledger(SIZE).0[5].body).unwrap();
    for field in fields.as_object().unwrap().keys() {
        let change = |v: &mut Value| match field.as_str() {
            "actor" => v["actor"]["person"] = json!("p-18"),
            "object" => v["object"]["id"] = json!("chg_9"),
            "emitter" => v["emitter"]["sig"] = json!("AAAA"),
            "after" | "data" => v[field] = json!(Digest::of("other")),
            "prev" => v["prev"] = json!("00".repeat(32)),
            "ts" => v["ts"] = json!("2030-01-01T00:00:00.000Z"),
            "idx" => v["idx"] = json!("6"),
            "v" => v["v"] = json!(2),
            _ => v[field] = json!("other"),
        };
        // The body alone.
        let (mut rows, checkpoint) = ledger(SIZE);
        edit(&mut rows[5], change);
        let report = verify(&rows, Some(&checkpoint));
        assert_eq!(names(&report)[0], "5: body does not have the stored hash", "{field}");
        assert!(
            report.findings.iter().all(|f| f.idx.is_none_or(|idx| idx == 5)),
            "{field}: {:?}",
            names(&report)
        );
        assert_eq!(names(&report).last().unwrap(), "root differs from the checkpoint");
        assert_eq!(report.verdict(), Verdict::Tampered);

        // The body and all hashes after it: only the signatures and the checkpoint are beyond the attacker.
        if field == "prev" {
            continue;
        }
        edit(&mut rows[5], change);
        rehash_unread(&mut rows, 5);
        let report = verify(&rows, Some(&checkpoint));
        assert!(names(&report).iter().any(|name| name.starts_with("5: ")), "{field}: {:?}", names(&report));
        assert!(
            report.findings.iter().all(|f| f.idx.is_none_or(|idx| idx == 5)),
            "{field}: {:?}",
            names(&report)
        );
        assert_eq!(names(&report).last().unwrap(), "root differs from the checkpoint");
    }
}

/// As [`rehash`], leaving the changed row's own fields as they are.
fn rehash_unread(rows: &mut [StoredRow], from: usize) {
    let mut prev: Hash = leaf_hash(&rows[from].body);
    rows[from].leaf_hash = prev.to_vec();
    for row in &mut rows[from + 1..] {
        edit(row, |v| v["prev"] = json!(hex::encode(prev)));
        prev = leaf_hash(&row.body);
        row.leaf_hash = prev.to_vec();
    }
}

#[test]
fn a_changed_payload_or_hash_is_found() {
    check(|rows| rows[4].payload = Some(b"other".to_vec()), &["4: payload does not have the entry's digest"]);
    check(|rows| rows[4].leaf_hash[31] ^= 1, &["4: body does not have the stored hash"]);
    check(|rows| rows[4].leaf_hash = vec![], &["4: body does not have the stored hash"]);
    let (mut rows, checkpoint) = ledger(SIZE);
    rows[4].payload = None;
    let report = verify(&rows, Some(&checkpoint));
    assert_eq!(
        (names(&report), report.verdict()),
        (vec!["4: payload is not kept".into()], Verdict::Unverifiable)
    );
}

#[test]
fn a_projection_that_differs_from_its_entry_is_named_field_by_field() {
    let alter = |change: fn(&mut Projection)| {
        move |rows: &mut Vec<StoredRow>| change(rows[4].projection.as_mut().unwrap())
    };
    let what = |field: &str| format!("4: projection `{field}` is not what the entry says");
    check(alter(|p| p.kind = "change.rejected".into()), &[&what("kind")]);
    check(alter(|p| p.object_kind = "device".into()), &[&what("object_kind")]);
    check(alter(|p| p.object_id = "chg_9".into()), &[&what("object_id")]);
    check(alter(|p| p.at_ms += 1), &[&what("at_ms")]);
    check(|rows| rows[4].projection = None, &[]);
}

#[test]
fn a_rehashed_row_is_named_because_its_successor_remembers_it() {
    check(
        |rows| {
            edit(&mut rows[4], |v| v["outcome"] = json!("deny"));
            rows[4].leaf_hash = leaf_hash(&rows[4].body).to_vec();
        },
        &[
            "4: emitter did not sign this",
            "4: entry is not the one that its successor commits to",
            "root differs from the checkpoint",
        ],
    );
}

#[test]
fn deleted_rows_are_named() {
    check(|rows| drop(rows.remove(4)), &["4: entries are missing"]);
    check(|rows| drop(rows.drain(0..3)), &["0: entries are missing"]);
    check(|rows| rows.truncate(9), &["9: entries are missing at the end"]);
    check(|rows| rows.clear(), &["0: entries are missing at the end"]);
}

#[test]
fn a_row_deleted_and_the_rest_moved_up_is_found() {
    check(
        |rows| {
            rows.remove(10);
            rows[10].idx = 10;
        },
        &[
            "10: entry belongs to another place",
            "10: entry does not commit to its predecessor",
            "11: entries are missing at the end",
        ],
    );
}

#[test]
fn swapped_rows_are_found() {
    check(|rows| rows.swap(4, 5), &["4: entries are missing", "4: row is stored twice or out of order"]);
    check(
        |rows| {
            rows.swap(4, 5);
            (rows[4].idx, rows[5].idx) = (4, 5);
        },
        &[
            "4: entry belongs to another place",
            "4: entry does not commit to its predecessor",
            "5: entry belongs to another place",
            "5: entry does not commit to its predecessor",
            "5: entry is not the one that its successor commits to",
            "root differs from the checkpoint",
        ],
    );
}

#[test]
fn a_row_stored_twice_is_found() {
    check(
        |rows| {
            let again = rows[4].clone();
            rows.insert(5, again);
        },
        &["4: row is stored twice or out of order"],
    );
}

#[test]
fn an_inserted_row_by_a_stranger_is_found() {
    let (mut rows, _) = ledger(SIZE);
    let stranger = Emitter::new(SigningKey::from_seed("node-1", &[9; 32]).unwrap());
    let mut entry = parse_strict(&rows[3].body).unwrap();
    entry["idx"] = json!(SIZE.to_string());
    entry["emitter"]["key"] = json!(stranger.verifying_key().label());
    let mut added = rows[3].clone();
    added.idx = SIZE;
    added.body = to_canonical(&entry).unwrap();
    rows.push(added);
    rehash(&mut rows);
    // Even when the log itself, deceived, has signed the result.
    let mut tree = Frontier::new();
    rows.iter().for_each(|row| tree.push(leaf_hash(&row.body)));
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: SIZE + 1, root: tree.root() };
    assert_eq!(names(&verify(&rows, Some(&checkpoint))), ["12: emitter is not trusted"]);
}

#[test]
fn a_fork_is_found_by_its_root_alone() {
    let (mut rows, checkpoint) = ledger(SIZE);
    // A genuine entry of the same emitter in place of another: signatures, chain and places are all right.
    let other = EntryDraft {
        id: "evt_x".into(),
        ts_ms: 0,
        kind: "change.vetoed".into(),
        tenant: "t1".into(),
        actor: Actor { account: "a-9".into(), ..Actor::default() },
        object: Object { digest: None, id: "chg_0".into(), kind: "change".into() },
        before: None,
        after: None,
        data: None,
        outcome: None,
        policy: None,
        trace: None,
    };
    rows[6].body = other.seal(ORIGIN, 6, NO_PREDECESSOR, &emitter()).unwrap().body;
    (rows[6].payload, rows[6].projection) = (None, None);
    rehash(&mut rows);
    assert_eq!(names(&verify(&rows, Some(&checkpoint))), ["root differs from the checkpoint"]);
    assert_eq!(verify(&rows, None).verdict(), Verdict::Sound);
}

#[test]
fn checkpoints_in_the_middle_are_compared_when_announced() {
    let (rows, newest) = ledger(SIZE);
    let (_, middle) = ledger(7);
    let run = |announced: &[&Checkpoint], newest: &Checkpoint| {
        let mut verifier = Verifier::new(ORIGIN, keys());
        announced.iter().for_each(|checkpoint| verifier.expect(checkpoint));
        rows.iter().for_each(|row| drop(verifier.push(row)));
        names(&verifier.finish(Some(newest)))
    };
    let wrong = Checkpoint { root: newest.root, ..middle.clone() };
    let empty = Checkpoint { root: crate::tree::EMPTY_ROOT, size: 0, ..middle.clone() };
    assert_eq!(run(&[&empty, &middle], &newest), [""; 0]);
    assert_eq!(run(&[&middle, &wrong], &newest), ["root differs from the checkpoint"]);
    assert_eq!(run(&[], &middle), ["checkpoint came too late to compare"]);
    let elsewhere = Checkpoint { origin: "other".into(), ..newest.clone() };
    assert_eq!(run(&[], &elsewhere), ["checkpoint is of another log"]);
}

#[test]
fn a_log_must_continue_the_checkpoint_that_the_caller_remembers() {
    let (rows, newest) = ledger(SIZE);
    let run = |rows: &[StoredRow], note: &SignedNote, newest: &Checkpoint| {
        let mut verifier = Verifier::new(ORIGIN, keys());
        verifier.continues(&Remembered::parse(note.to_string().as_bytes()).unwrap());
        rows.iter().for_each(|row| drop(verifier.push(row)));
        names(&verifier.finish(Some(newest)))
    };
    let (_, earlier) = ledger(7);
    let signed = |checkpoint: &Checkpoint| checkpoint.sign(&log_key()).unwrap();
    assert_eq!(run(&rows, &signed(&earlier), &newest), [""; 0]);
    assert_eq!(run(&rows, &signed(&newest), &newest), [""; 0]);
    // Cut off, with an older head put in place: nothing in the database is amiss.
    let cut = run(&rows[..7], &signed(&newest), &earlier);
    assert_eq!(cut, ["7: log is shorter than the remembered checkpoint"]);
    let fork = Checkpoint { root: [7; 32], ..earlier.clone() };
    assert_eq!(run(&rows, &signed(&fork), &newest), ["log does not continue the remembered checkpoint"]);
    let stranger = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    let refused = run(&rows, &earlier.sign(&stranger).unwrap(), &newest);
    assert_eq!(refused, ["remembered checkpoint is refused"]);
    assert!(Remembered::parse(b"garbage").is_err());
}

#[test]
fn what_the_caller_notes_is_part_of_the_report() {
    let (rows, checkpoint) = ledger(2);
    let mut verifier = Verifier::new(ORIGIN, keys());
    rows.iter().for_each(|row| drop(verifier.push(row)));
    verifier.note(Finding::missing(Some(1), "row is gone", "one", "none"));
    let report = verifier.finish(Some(&checkpoint));
    assert_eq!((names(&report), report.verdict()), (vec!["1: row is gone".into()], Verdict::Unverifiable));
}

#[test]
fn a_checkpoint_that_the_log_did_not_sign_is_a_finding() {
    let (rows, checkpoint) = ledger(SIZE);
    let finish = |note: &str| {
        let mut verifier = Verifier::new(ORIGIN, keys());
        rows.iter().for_each(|row| drop(verifier.push(row)));
        names(&verifier.finish_signed(note.as_bytes()))
    };
    let note = checkpoint.sign(&log_key()).unwrap().to_string();
    assert_eq!(finish(&note), [""; 0]);
    assert_eq!(finish(&note.replace("\n12\n", "\n13\n")), ["checkpoint is refused"]);
    let forged = checkpoint.sign(&SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap()).unwrap();
    assert_eq!(finish(&forged.to_string()), ["checkpoint is refused"]);
    assert_eq!(finish("garbage"), ["checkpoint is refused"]);
}

#[test]
fn verification_resumes_where_it_ended() {
    let (rows, checkpoint) = ledger(SIZE);
    let mut first = Verifier::new(ORIGIN, keys());
    rows[..5].iter().for_each(|row| drop(first.push(row)));
    let last = leaf_hash(&rows[4].body);
    let resume = |last| {
        let mut verifier = Verifier::resume(ORIGIN, keys(), first.tree().clone(), last);
        rows[5..].iter().for_each(|row| drop(verifier.push(row)));
        names(&verifier.finish(Some(&checkpoint)))
    };
    assert_eq!(resume(last), [""; 0]);
    assert_eq!(resume([0; 32]), ["4: entry is not the one that its successor commits to"]);
}

#[test]
fn entries_of_another_log_are_found_and_signatures_can_be_left_out() {
    let (rows, _) = ledger(2);
    let mut verifier = Verifier::new("other", Keyring::default());
    assert_eq!(verifier.push(&rows[0]), None);
    assert_eq!(
        names(&verifier.finish(None)),
        ["0: entry belongs to another log", "0: emitter is not trusted"]
    );
    let mut verifier = Verifier::new(ORIGIN, Keyring::default()).without_emitter_signatures();
    assert_eq!(verifier.push(&rows[0]).unwrap().id, "evt_0");
}

#[test]
fn a_report_stays_small_and_still_says_the_worst() {
    let mut findings = Findings::default();
    let text = String::new;
    (0..FINDINGS_MAX as u64 + 5)
        .for_each(|i| findings.missing(Some(i), "payload is not kept", text(), text()));
    findings.tampered(Some(9), "body is no entry", text(), text());
    findings.missing(None, "payload is not kept", text(), text());
    let (findings, findings_total) = findings.into_parts();
    assert_eq!((findings.len(), findings_total), (FINDINGS_MAX, FINDINGS_MAX as u64 + 7));
    let report = Report { entries: 0, root: [0; 32], findings, findings_total };
    assert_eq!(report.verdict(), Verdict::Tampered);
}

#[test]
fn a_finding_reads_as_a_sentence() {
    let (mut rows, checkpoint) = ledger(SIZE);
    rows[4].payload = Some(b"x".to_vec());
    let report = verify(&rows, Some(&checkpoint));
    insta::assert_snapshot!(report.findings[0], @"entry `4`: payload does not have the entry's digest: expected `sha256:93e36de797564e8a5b21bdd05c56afd643e3ea019a73d42bd77ebea27c331e47`, found `sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881`");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_anywhere_is_found_at_its_entry(
        row in 0usize..SIZE as usize, column in 0u8..3, at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let (mut rows, checkpoint) = ledger(SIZE);
        let column = match column {
            0 => &mut rows[row].body,
            1 => &mut rows[row].leaf_hash,
            _ => rows[row].payload.as_mut().unwrap(),
        };
        let at = at.index(column.len());
        column[at] ^= 1 << bit;
        let report = verify(&rows, Some(&checkpoint));
        prop_assert_eq!(report.verdict(), Verdict::Tampered);
        prop_assert!(report.findings.iter().any(|f| f.idx == Some(row as u64)));
        prop_assert!(report.findings.iter().all(|f| f.idx.is_none_or(|idx| idx == row as u64)));
    }

    #[test]
    fn threads_find_what_one_pass_finds(
        drops in prop::collection::vec(any::<prop::sample::Index>(), 0..3), threads in 1usize..6, batch in 1usize..9,
    ) {
        let (mut rows, checkpoint) = ledger(SIZE);
        drops.into_iter().for_each(|at| rows[at.index(SIZE as usize)].body[0] = b'?');
        let mut verifier = Verifier::new(ORIGIN, keys());
        let (mut alone, mut shared) = (Vec::new(), Vec::new());
        rows.iter().for_each(|row| alone.extend(verifier.push(row)));
        let mut threaded = Verifier::new(ORIGIN, keys());
        let threads = NonZeroUsize::new(threads).unwrap();
        rows.chunks(batch).for_each(|rows| threaded.push_batch(rows, threads, |entry| shared.push(entry.clone())));
        prop_assert_eq!(alone, shared);
        prop_assert_eq!(verifier.finish(Some(&checkpoint)), threaded.finish(Some(&checkpoint)));
    }
}
