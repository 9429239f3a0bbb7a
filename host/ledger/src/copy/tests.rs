use std::num::NonZeroUsize;

use super::*;
use crate::entry::{Actor, Emitter, EntryDraft, NO_PREDECESSOR, Object};
use crate::keys::{Keyring, SigningKey};
use crate::note::SignedNote;
use crate::tree::Hash;
use crate::verify::{Remembered, Verdict};
use crate::{Checkpoint, Receipt, tree};

const ORIGIN: &str = "interlock.example.com/ledger/t1";

/// A log in memory, and everything that an attacker may get hold of: each key but the witness's.
pub(super) struct Log {
    bodies: Vec<Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
    key: SigningKey,
    emitter: SigningKey,
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, &[seed; 32]).unwrap()
}

fn witness() -> SigningKey {
    key("witness.example.com/w1", 3)
}

impl Log {
    fn of(size: u64) -> Self {
        Self::written(size, |_| "change.approved")
    }

    /// A log whose entries are of these kinds.
    fn written(size: u64, kind: impl Fn(u64) -> &'static str) -> Self {
        let emitter = Emitter::new(key("node-1", 2));
        let mut prev = NO_PREDECESSOR;
        let bodies = (0..size).map(|idx| {
            let draft = EntryDraft {
                actor: Actor { account: "host".to_owned(), ..Actor::default() },
                id: format!("entry-{idx}"),
                kind: kind(idx).to_owned(),
                object: Object { digest: None, id: "chg_1".to_owned(), kind: "change".to_owned() },
                tenant: "t1".to_owned(),
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
        Self::over(bodies.collect())
    }

    /// Signed by the log, whatever the entries are.
    fn over(bodies: Vec<Vec<u8>>) -> Self {
        let (mut writer, mut files, log) = (Writer::new(), BTreeMap::new(), key(ORIGIN, 1));
        for body in &bodies {
            writer.push(body.clone(), |path, bytes| drop(files.insert(path, bytes))).unwrap();
        }
        let (size, root) = (writer.tree().size(), writer.tree().root());
        let note = Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&log).unwrap();
        writer.finish(&note, |path, bytes| drop(files.insert(path, bytes))).unwrap();
        Self { bodies, files, key: log, emitter: key("node-1", 2) }
    }

    fn keys(&self) -> Keyring {
        let keys = [&self.key, &self.emitter].map(|key| key.verifying_key().clone());
        keys.into_iter().chain([witness().cosigning_key().unwrap()]).collect()
    }

    fn demands(&self) -> Demands {
        Demands {
            origin: ORIGIN.to_owned(),
            keys: self.keys(),
            kept: Vec::new(),
            quorum: 0,
            emitter_signatures: true,
            every_file: true,
            threads: NonZeroUsize::new(2).unwrap(),
        }
    }

    fn note(&self) -> SignedNote {
        SignedNote::parse(&self.files[CHECKPOINT]).unwrap()
    }

    /// What a receipt of this entry, or a witness, remembers of the log.
    fn receipt(&self, index: u64) -> Receipt {
        let leaves: Vec<Hash> = self.bodies.iter().map(|body| tree::leaf_hash(body)).collect();
        let plan = tree::ProofPlan::inclusion(index, leaves.len() as u64).unwrap();
        let proof = plan.build(&tree::Leaves(&leaves)).unwrap();
        Receipt { index, proof, checkpoint: self.note(), extra: Some(self.bodies[index as usize].clone()) }
    }

    fn survey(&self) -> Survey {
        survey(&self.files, &self.demands(), |_| {}).unwrap()
    }

    /// In one word, with what was kept elsewhere.
    fn verdict(&self, kept: &[Remembered]) -> Result<Verdict, CopyError> {
        let demands = Demands { kept: kept.to_vec(), ..self.demands() };
        survey(&self.files, &demands, |_| {}).map(|survey| survey.report.verdict())
    }

    fn said(&self, kept: &[Remembered]) -> Vec<String> {
        let demands = Demands { kept: kept.to_vec(), ..self.demands() };
        let report = survey(&self.files, &demands, |_| {}).unwrap().report;
        report.findings.iter().map(ToString::to_string).collect()
    }
}

fn remembered(note: &SignedNote) -> Remembered {
    Remembered::parse(note.to_string().as_bytes()).unwrap()
}

#[test]
fn a_copy_is_sound_at_every_width() {
    for size in [0, 1, 2, 255, 256, 257, 512, 600] {
        let log = Log::of(size);
        let mut steps = Vec::new();
        let survey = survey(&log.files, &log.demands(), |step| steps.push(step)).unwrap();
        assert_eq!(survey.report.findings, [], "{size}");
        assert_eq!((survey.report.entries, survey.checkpoint.size), (size, size));
        assert_eq!(survey.files, Some(log.files.len() as u64));
        assert_eq!(steps.last().map(|step| (step.done, step.of)), (size > 0).then_some((size, size)));
    }
}

#[test]
fn whole_tiles_of_a_higher_level_are_worked_out_too() {
    let log = Log::of(65_536 + 300);
    let demands = Demands { emitter_signatures: false, ..log.demands() };
    let sound = survey(&log.files, &demands, |_| {}).unwrap();
    assert_eq!((sound.report.findings, sound.report.entries), (Vec::new(), 65_836));
    let altered = [("tile/1/000", 255), ("tile/1/001.p/1", 65_791), ("tile/2/000.p/1", 65_535)];
    let mut files = log.files.clone();
    altered.iter().for_each(|(tile, _)| files.get_mut(*tile).unwrap()[0] ^= 1);
    let report = survey(&files, &demands, |_| {}).unwrap().report;
    assert_eq!((report.verdict(), report.findings.len()), (Verdict::Tampered, 3), "{:?}", report.findings);
    for (finding, (tile, entry)) in report.findings.iter().zip(altered) {
        assert_eq!(finding.idx, Some(entry), "{finding}");
        assert!(finding.what.contains(tile), "{finding}");
    }
}

#[test]
fn a_bit_flipped_in_any_file_is_found() {
    let log = Log::of(300);
    for (path, bytes) in &log.files {
        let step = (bytes.len() / 16).max(1);
        for at in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            let mut files = log.files.clone();
            files.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            let verdict = Log { files, ..Log::of(0) }.verdict(&[]);
            // Of the checkpoint's own signature line, a flip makes it one of somebody else, or none.
            let found = match verdict {
                Ok(verdict) => verdict == Verdict::Tampered,
                Err(error) => path == CHECKPOINT && matches!(error, CopyError::Checkpoint(_)),
            };
            assert!(found, "byte {at} of {path}");
        }
    }
}

#[test]
fn the_entry_that_was_altered_is_named() {
    let mut log = Log::of(300);
    let place = log.files["tile/entries/000"].windows(8).position(|w| w == b"entry-77").unwrap();
    log.files.get_mut("tile/entries/000").unwrap()[place + 6] = b'9';
    let said = log.said(&[]);
    assert!(said.iter().any(|said| said.starts_with("entry `77`: emitter did not sign this")), "{said:?}");
    assert!(
        said.iter().any(|said| said.starts_with("entry `77`: entry has another hash than `tile/0/000`")),
        "{said:?}"
    );
    assert!(said.iter().any(|said| said.starts_with("root differs from the checkpoint")), "{said:?}");
    // And what follows from it; no other entry is accused.
    let follows = |said: &str| said.starts_with("root") || said.contains("`tile/1/000.p/1`");
    assert!(said.iter().all(|said| said.contains("`77`") || follows(said)), "{said:?}");
}

#[test]
fn a_file_that_is_gone_is_missed() {
    let log = Log::of(600);
    for path in log.files.keys() {
        let mut files = log.files.clone();
        files.remove(path);
        let gone = Log { files, ..Log::of(0) };
        match gone.verdict(&[]) {
            Err(error) => assert!(path == CHECKPOINT && matches!(error, CopyError::NoCheckpoint { .. })),
            Ok(verdict) => {
                assert_eq!(verdict, Verdict::Unverifiable, "{path}");
                let said = gone.said(&[]);
                assert!(said.iter().any(|said| said.contains(&format!("`{path}` is not there"))), "{said:?}");
            }
        }
    }
    // Neither the entries nor their hashes: the rest is still looked at.
    let mut files = log.files.clone();
    files.retain(|path, _| path != "tile/0/001" && path != "tile/entries/001");
    files.get_mut("tile/0/002.p/88").unwrap()[0] ^= 1;
    let said = Log { files, ..Log::of(0) }.said(&[]);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[2].starts_with("entry `512`: entry has another hash"), "{said:?}");
}

#[test]
fn whoever_has_every_file_and_every_key_of_the_log_cannot_deceive_whoever_kept_something() {
    let now = Log::of(300);
    let receipt = remembered(&now.receipt(7).checkpoint);
    let mut cosigned = now.note();
    cosigned.cosign(&witness(), 1_795_197_600).unwrap();
    let witness = remembered(&cosigned);
    let mut swapped = now.bodies.clone();
    swapped.swap(10, 11);
    let mut less = now.bodies.clone();
    less.remove(150);
    let attacks = [
        ("yesterday's copy", Log::over(now.bodies[..200].to_vec())),
        ("the last entries cut off", Log::over(now.bodies[..299].to_vec())),
        ("nothing left", Log::over(Vec::new())),
        ("another history of the same length", Log::written(300, |_| "change.vetoed")),
        ("one entry written anew", Log::written(300, |idx| if idx == 7 { "x" } else { "change.approved" })),
        ("another history that went on", Log::written(400, |idx| if idx == 7 { "x" } else { "y" })),
        ("two entries swapped", Log::over(swapped)),
        ("an entry taken out", Log::over(less)),
    ];
    for kept in [&[receipt][..], &[witness]] {
        assert_eq!(now.verdict(kept), Ok(Verdict::Sound));
        assert_eq!(Log::of(400).verdict(kept), Ok(Verdict::Sound), "it has grown");
        for (attack, log) in &attacks {
            assert_eq!(log.verdict(kept), Ok(Verdict::Tampered), "{attack}");
        }
    }
    // Without anything kept, what was signed anew is believed: that is why one keeps something.
    assert_eq!(attacks[0].1.verdict(&[]), Ok(Verdict::Sound));
    assert_eq!(attacks[3].1.verdict(&[]), Ok(Verdict::Sound));
    // Entries that were moved contradict themselves all the same.
    assert_eq!(attacks[6].1.verdict(&[]), Ok(Verdict::Tampered));
    assert_eq!(attacks[7].1.verdict(&[]), Ok(Verdict::Tampered));
    let said = attacks[0].1.said(&[remembered(&now.note())]);
    assert!(said[0].contains("log is shorter than the remembered checkpoint"), "{said:?}");
}

#[test]
fn what_was_kept_must_be_of_the_log() {
    let log = Log::of(20);
    let other = Checkpoint { origin: ORIGIN.to_owned(), size: 20, root: log.survey().checkpoint.root };
    let forged = other.sign(&key(ORIGIN, 99)).unwrap();
    assert_eq!(log.verdict(&[remembered(&forged)]), Ok(Verdict::Tampered));
}

#[test]
fn files_that_do_not_belong_and_earlier_tiles_are_looked_at() {
    let (earlier, mut log) = (Log::of(300), Log::of(600));
    for (path, bytes) in earlier.files.into_iter().filter(|(path, _)| path.contains(".p/")) {
        log.files.entry(path).or_insert(bytes);
    }
    assert_eq!(log.said(&[]), Vec::<String>::new());
    let cases: [(&str, Vec<u8>, &str, Verdict); 5] = [
        ("tile/0/001.p/44", vec![7; 44 * 32], "is not how `tile/0/001` begins", Verdict::Tampered),
        ("tile/0/001.p/45", Vec::new(), "is not how `tile/0/001` begins", Verdict::Tampered),
        ("tile/entries/000.p/7", vec![0; 5], "is not how `tile/entries/000` begins", Verdict::Tampered),
        ("tile/0/002.p/200", vec![0; 32 * 200], "is not covered by the checkpoint", Verdict::Unverifiable),
        ("notes.txt", b"buy milk".to_vec(), "belongs to no log", Verdict::Unverifiable),
    ];
    for (path, bytes, said, verdict) in cases {
        let mut files = log.files.clone();
        files.insert(path.to_owned(), bytes);
        let odd = Log { files, ..Log::of(0) };
        assert!(odd.said(&[]).iter().any(|line| line.contains(said)), "{path}: {:?}", odd.said(&[]));
        assert_eq!(odd.verdict(&[]), Ok(verdict), "{path}");
    }
}

#[test]
fn it_takes_as_many_witnesses_as_were_asked_for() {
    let mut log = Log::of(20);
    let asked = |log: &Log, quorum| {
        let demands = Demands { quorum, ..log.demands() };
        survey(&log.files, &demands, |_| {}).unwrap()
    };
    assert_eq!(asked(&log, 1).report.verdict(), Verdict::Unverifiable);
    let mut note = log.note();
    note.cosign(&witness(), 1_795_197_600).unwrap();
    log.files.insert(CHECKPOINT.to_owned(), note.to_string().into_bytes());
    let survey = asked(&log, 1);
    assert_eq!(
        (survey.report.verdict(), &survey.witnesses[..]),
        (Verdict::Sound, &["witness.example.com/w1".to_owned()][..])
    );
}

#[test]
fn the_first_entry_in_which_two_copies_differ_is_found() {
    let log = Log::of(700);
    let same = compare(&log.files, &log.files, ORIGIN, &log.keys()).unwrap();
    assert_eq!((same.first, same.findings), (None, Vec::new()));
    let longer = compare(&log.files, &Log::of(300).files, ORIGIN, &log.keys()).unwrap();
    assert_eq!((longer.first, longer.log.size, longer.copy.size), (None, 700, 300));
    for at in [0, 1, 255, 256, 511, 599] {
        let fork = Log::written(600, move |idx| if idx == at { "change.vetoed" } else { "change.approved" });
        let compared = compare(&log.files, &fork.files, ORIGIN, &log.keys()).unwrap();
        let first = compared.first.unwrap();
        assert_eq!(first.index, at);
        assert_eq!(first.in_log.as_ref(), Some(&log.bodies[at as usize]));
        assert_eq!(first.in_copy.as_ref(), Some(&fork.bodies[at as usize]));
        assert_eq!(compared.findings, []);
    }
}

#[test]
fn a_copy_whose_tiles_are_not_those_of_its_checkpoint_cannot_be_compared() {
    let (log, mut fork) = (Log::of(700), Log::written(600, |_| "change.vetoed"));
    for (path, bytes) in &log.files {
        if path.starts_with("tile/0") && fork.files.contains_key(path) {
            fork.files.insert(path.clone(), bytes.clone());
        }
    }
    let compared = compare(&log.files, &fork.files, ORIGIN, &log.keys()).unwrap();
    assert!(
        compared.first.is_none() && compared.findings[0].what.contains("tiles of the copy"),
        "{compared:?}"
    );
    fork.files.retain(|path, _| !path.starts_with("tile/1"));
    let compared = compare(&log.files, &fork.files, ORIGIN, &log.keys()).unwrap();
    assert_eq!(compared.findings[0].kind, crate::FindingKind::Missing, "{compared:?}");
}

#[test]
fn a_copy_proves_that_it_continues_what_was_kept() {
    let (log, yesterday) = (Log::of(700), Log::of(300));
    let asked = |files: &BTreeMap<String, Vec<u8>>, kept: &Log| {
        continues(files, &kept.survey().checkpoint, ORIGIN, &log.keys()).unwrap()
    };
    let continued = asked(&log.files, &yesterday);
    assert_eq!((continued.finding, continued.checkpoint.size), (None, 700));
    assert_eq!(asked(&log.files, &Log::of(0)).finding, None);
    let cut = asked(&yesterday.files, &log).finding.unwrap();
    assert!(cut.to_string().contains("expected `700 entries`, found `300 entries`"), "{cut}");
    let fork = asked(&log.files, &Log::written(300, |_| "change.vetoed")).finding.unwrap();
    assert_eq!(fork.what, "log does not continue what was kept");
}

#[test]
fn a_copy_makes_receipts_that_hold() {
    let mut log = Log::of(700);
    for index in [0, 255, 256, 699] {
        assert_eq!(receipt(&log.files, index, ORIGIN, &log.keys()), Ok(log.receipt(index)));
    }
    let beyond = receipt(&log.files, 700, ORIGIN, &log.keys()).unwrap_err();
    assert!(beyond.to_string().contains("`700` is not in a tree of `700` entries"), "{beyond}");
    log.files.get_mut("tile/0/001").unwrap()[0] ^= 1;
    assert!(matches!(receipt(&log.files, 300, ORIGIN, &log.keys()), Err(CopyError::Unproved { .. })));
}
