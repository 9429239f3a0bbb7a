//! Every parser of what comes from outside, fed with bytes: nothing panics, and what is taken is written back as it was.
//!
//! Inputs grow from a corpus, `tests/fuzz/`, by the mutations that fuzzers use. Some thousand of them take seconds;
//! `INTERLOCK_FUZZ_SECS=3600` goes on for an hour for each target, from a seed of its own that is printed. What breaks a
//! target is to be added to its corpus.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use interlock_ledger::{
    Checkpoint, Entry, Keyring, Receipt, SignedNote, SigningKey, Tile, VerifyingKey, parse_strict,
    tile::{encode_bundle, parse_bundle},
    to_canonical,
    witness::Submission,
};

/// Inputs for each target where no time is given.
const INPUTS: u32 = 4_000;
/// What grows beyond it is cut.
const BYTES_MAX: usize = 1 << 16;

/// A generator whose every run is the same: xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    /// An input made from one or two of the corpus.
    fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.roll(corpus.len())].clone();
        for _ in 0..=self.roll(4) {
            let at = self.roll(input.len() + 1);
            let end = (at + self.roll(40)).min(input.len());
            match self.roll(8) {
                0 if at < input.len() => input[at] ^= 1 << self.roll(8),
                1 if at < input.len() => {
                    input[at] = [0, 0xff, b'\n', b' ', b'+', b'/', b'"', b'0'][self.roll(8)]
                }
                2 => input.insert(at, self.roll(256) as u8),
                3 => drop(input.drain(at..end)),
                4 => input.splice(at..at, input[at..end].to_vec()).for_each(drop),
                5 => input.truncate(at),
                6 => {
                    let other = &corpus[self.roll(corpus.len())];
                    input.truncate(at);
                    input.extend_from_slice(&other[self.roll(other.len() + 1)..]);
                }
                _ => {
                    const WORDS: [&[u8]; 8] = [
                        b"\n\n",
                        b"18446744073709551616",
                        b"9007199254740993",
                        b"1e400",
                        b"\\ud800",
                        b"x001/",
                        b".p/255",
                        "— ".as_bytes(),
                    ];
                    let word = WORDS[self.roll(WORDS.len())];
                    input.splice(at..at, word.iter().copied()).for_each(drop);
                }
            }
        }
        input.truncate(BYTES_MAX);
        input
    }
}

/// Feeds a target with its corpus, and with what grows from it. What the target takes joins the corpus for this run.
fn fuzz(target: &str, mut takes: impl FnMut(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(corpus.iter().any(|input| takes(input)), "nothing in the corpus of {target} is taken");
    let secs: Option<u64> = std::env::var("INTERLOCK_FUZZ_SECS").ok().map(|secs| secs.parse().unwrap());
    let seed = secs.map_or(0x5eed, |_| RandomState::new().build_hasher().finish() | 1);
    if secs.is_some() {
        eprintln!("{target}: seed {seed}");
    }
    let (mut dice, began) = (Dice(seed), Instant::now());
    let goes_on = |done: u32| secs.map_or(done < INPUTS, |secs| began.elapsed() < Duration::from_secs(secs));
    let mut done = 0;
    while goes_on(done) {
        let input = dice.mutate(&corpus);
        if takes(&input) && corpus.len() < 10_000 {
            corpus.push(input);
        }
        done += 1;
    }
}

fn keys() -> Keyring {
    let key = |name, seed| SigningKey::from_seed(name, &[seed; 32]).unwrap();
    let log = key("interlock.example.com/ledger/t1", 1).verifying_key().clone();
    [log, key("witness.example.com/w1", 3).cosigning_key().unwrap()].into_iter().collect()
}

#[test]
fn any_bytes_are_a_note_or_refused() {
    let keys = keys();
    fuzz("note", |input| {
        let Ok(note) = SignedNote::parse(input) else { return false };
        let _ = note.verify(&keys);
        assert_eq!(SignedNote::parse(note.to_string().as_bytes()), Ok(note));
        true
    });
}

#[test]
fn any_bytes_are_a_checkpoint_or_refused_and_no_other_is_believed() {
    let keys = keys();
    let good = Checkpoint { origin: "interlock.example.com/ledger/t1".to_owned(), size: 20, root: [7; 32] };
    let opened = |input: &[u8]| Checkpoint::open(input, &good.origin, &keys).ok();
    fuzz("checkpoint", |input| {
        if let Ok(text) = std::str::from_utf8(input)
            && let Ok(checkpoint) = text.parse::<Checkpoint>()
        {
            assert_eq!(checkpoint.to_string(), text);
        }
        // Whatever is done to a signed checkpoint, nobody is made to believe another one.
        opened(input).is_some_and(|opened| {
            assert_eq!(opened.checkpoint(), &good);
            true
        })
    });
}

#[test]
fn any_bytes_are_a_tile_path_or_refused() {
    fuzz("tile_path", |input| {
        let Ok(path) = std::str::from_utf8(input) else { return false };
        let Ok(tile) = path.parse::<Tile>() else { return false };
        assert_eq!(tile.to_string(), path);
        assert!(tile.nodes().count() == usize::from(tile.width()));
        true
    });
}

#[test]
fn any_bytes_are_a_bundle_or_refused() {
    fuzz("bundle", |input| {
        (0..=256).any(|width| {
            let Ok(bodies) = parse_bundle(input, width) else { return false };
            assert_eq!(encode_bundle(bodies).unwrap(), input);
            true
        })
    });
}

#[test]
fn any_bytes_are_a_receipt_or_refused() {
    let keys = keys();
    fuzz("receipt", |input| {
        let Ok(receipt) = Receipt::parse(input) else { return false };
        assert_eq!(Receipt::parse(receipt.to_string().as_bytes()).as_ref(), Ok(&receipt));
        let body = receipt.extra.clone().unwrap_or_default();
        let _ = receipt.verify(&body, "interlock.example.com/ledger/t1", &keys);
        true
    });
}

#[test]
fn any_bytes_are_canonical_json_or_refused() {
    fuzz("jcs", |input| {
        let Ok(value) = parse_strict(input) else { return false };
        let Ok(canonical) = to_canonical(&value) else { return false };
        let again = parse_strict(&canonical).unwrap();
        assert_eq!(to_canonical(&again).unwrap(), canonical);
        true
    });
}

#[test]
fn any_bytes_are_an_entry_or_refused() {
    fuzz("entry", |input| {
        let Ok(entry) = Entry::parse(input) else { return false };
        entry.statement().unwrap();
        // What is an entry is its one spelling.
        assert_eq!(to_canonical(&parse_strict(input).unwrap()).unwrap(), input);
        true
    });
}

#[test]
fn any_bytes_are_a_submission_or_refused() {
    fuzz("submission", |input| {
        let Ok(submission) = Submission::parse(input) else { return false };
        assert!(Submission::parse(submission.to_string().as_bytes()).is_ok());
        true
    });
}

#[test]
fn any_bytes_are_a_key_or_refused() {
    fuzz("key", |input| {
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let Ok(key) = text.parse::<VerifyingKey>() else { return false };
        assert_eq!(key.to_string().parse(), Ok(key));
        true
    });
}

/// Writes the first of each corpus anew: `INTERLOCK_UPDATE=1`.
#[test]
fn the_corpora_begin_with_what_we_write_ourselves() {
    use interlock_ledger::entry::{Actor, Emitter, EntryDraft, NO_PREDECESSOR, Object};
    let key = |name, seed| SigningKey::from_seed(name, &[seed; 32]).unwrap();
    let (origin, log) = ("interlock.example.com/ledger/t1", key("interlock.example.com/ledger/t1", 1));
    let mut note = Checkpoint { origin: origin.to_owned(), size: 20, root: [7; 32] }.sign(&log).unwrap();
    note.cosign(&key("witness.example.com/w1", 3), 1_795_197_600).unwrap();
    let draft = EntryDraft {
        actor: Actor { account: "host".to_owned(), ..Actor::default() },
        id: "entry-1".to_owned(),
        kind: "change.approved".to_owned(),
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
    let body = draft.seal(origin, 0, NO_PREDECESSOR, &Emitter::new(key("node-1", 2))).unwrap().body;
    let receipt = Receipt {
        index: 7,
        proof: vec![[1; 32], [2; 32]],
        checkpoint: note.clone(),
        extra: Some(body.clone()),
    };
    let submission = format!("old 12\n{}\n\n{note}", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    let own: [(&str, Vec<u8>); 9] = [
        ("note", note.to_string().into_bytes()),
        ("checkpoint", note.to_string().into_bytes()),
        ("tile_path", b"tile/entries/x001/x234/067.p/8".to_vec()),
        ("bundle", encode_bundle([&body[..], b"", b"three"]).unwrap()),
        ("receipt", receipt.to_string().into_bytes()),
        ("jcs", r#"{"b":{"é":null,"z":9007199254740991},"a":[1,-7,true,"\u20ac\n"]}"#.as_bytes().to_vec()),
        ("entry", body),
        ("submission", submission.into_bytes()),
        ("key", log.verifying_key().to_string().into_bytes()),
    ];
    for (target, bytes) in own {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(target).join("own");
        if std::env::var_os("INTERLOCK_UPDATE").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        assert_eq!(fs::read(&file).unwrap(), bytes, "{target}: run with INTERLOCK_UPDATE=1");
    }
}
