//! What it takes to verify a log of many entries where it is kept, and to prove an entry of it.
//!
//! ```text
//! cargo run --release -p interlock-ledger --example ledger_cost -- [--entries N] [--dir FOLDER] [--output json]
//! ```
//!
//! The copy is written into a folder first: some 5 GB for ten million entries, in the system's folder for temporary files
//! unless `--dir` names another; it is taken away again. Then this program starts itself anew, so that time and memory are
//! those of a process that has only verified. Servers' signatures are left out there, as `--without-emitters` does; what they
//! take is measured apart.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs, io};

use interlock_ledger::copy::{self, Demands, Files, ReadError, Writer};
use interlock_ledger::entry::{Actor, Emitter, EntryDraft, NO_PREDECESSOR, Object, SignedEntry};
use interlock_ledger::{Checkpoint, Keyring, SigningKey, Verdict};

const ORIGIN: &str = "bench.example.com/ledger/t1";
const ENTRIES: u64 = 10_000_000;
const THREADS: usize = 2;
/// Few enough to sign and verify each.
const SIGNED: u64 = 20_000;
const PROOFS: u64 = 1_000;

const PER_SECOND_MIN: f64 = 300_000.0;
const MB_MAX: f64 = 200.0;
const PROOF_MS_MAX: f64 = 1.0;

type Failed = Box<dyn std::error::Error + Send + Sync>;

struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadError::new(path, error)),
        }
    }
}

fn main() -> Result<ExitCode, Failed> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let json = option("--output").as_deref() == Some("json");
    if let Some(folder) = option("--measure") {
        return measure(Path::new(&folder), json);
    }
    let entries = option("--entries").map(|text| text.parse()).transpose()?.unwrap_or(ENTRIES);
    let dir = option("--dir").map_or_else(env::temp_dir, PathBuf::from);
    let folder = dir.join(format!("interlock-ledger-cost-{}", std::process::id()));
    let measured = write(&folder, entries).and_then(|()| {
        let mut again = Command::new(env::current_exe()?);
        again.arg("--measure").arg(&folder).args(json.then_some(["--output", "json"]).into_iter().flatten());
        Ok(again.status()?)
    });
    fs::remove_dir_all(&folder)?;
    Ok(if measured?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keys() -> Result<(SigningKey, SigningKey, Keyring), Failed> {
    let (log, node) = (SigningKey::from_seed(ORIGIN, &[1; 32])?, SigningKey::from_seed("node-1", &[2; 32])?);
    let ring = [&log, &node].into_iter().map(|key| key.verifying_key().clone()).collect();
    Ok((log, node, ring))
}

fn signed(idx: u64, emitter: &Emitter) -> Result<SignedEntry, Failed> {
    let draft = EntryDraft {
        actor: Actor {
            account: "acc_0190f5fe7c00a00000000000000000".to_owned(),
            auth: Some("api-key".to_owned()),
            person: Some("person-17".to_owned()),
        },
        id: format!("ent_{idx:032}"),
        kind: "change.approved".to_owned(),
        object: Object {
            digest: Some(interlock_ledger::Digest::of(idx.to_be_bytes())),
            id: format!("chg_{:032}", idx / 10),
            kind: "change".to_owned(),
        },
        tenant: "t1".to_owned(),
        ts_ms: 1_795_197_600_000,
        after: Some(interlock_ledger::Digest::of(b"after")),
        before: Some(interlock_ledger::Digest::of(b"before")),
        data: Some(interlock_ledger::Digest::of(b"data")),
        outcome: Some("allow".to_owned()),
        policy: None,
        trace: None,
    };
    Ok(draft.sign(ORIGIN, emitter)?)
}

/// Writes the copy. One signature does for all entries: nobody looks at them there.
fn write(folder: &Path, entries: u64) -> Result<(), Failed> {
    let (log, node, _) = keys()?;
    let emitter = Emitter::new(node);
    let first = signed(0, &emitter)?;
    let (mut writer, mut prev) = (Writer::new(), NO_PREDECESSOR);
    let mut failed = None;
    let mut keep = |path: String, bytes: Vec<u8>| {
        let path = folder.join(path);
        let kept = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, bytes));
        failed = failed.take().or(kept.err());
    };
    for idx in 0..entries {
        let sealed = first.clone().seal(idx, prev)?;
        prev = sealed.leaf_hash;
        writer.push(sealed.body, &mut keep)?;
    }
    let (size, root) = (writer.tree().size(), writer.tree().root());
    let note = Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&log)?;
    writer.finish(&note, &mut keep)?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn demands(keys: Keyring, emitter_signatures: bool) -> Demands {
    Demands {
        origin: ORIGIN.to_owned(),
        keys,
        kept: Vec::new(),
        quorum: 0,
        emitter_signatures,
        every_file: false,
        threads: NonZeroUsize::new(THREADS).unwrap_or(NonZeroUsize::MIN),
    }
}

fn measure(folder: &Path, json: bool) -> Result<ExitCode, Failed> {
    let (log, node, ring) = keys()?;
    let files = Folder(folder.to_owned());
    let began = Instant::now();
    let survey = copy::survey(&files, &demands(ring.clone(), false), |_| {})?;
    let secs = began.elapsed().as_secs_f64();
    if survey.report.verdict() != Verdict::Sound {
        return Err(format!("the copy is not sound: {:?}", survey.report.findings.first()).into());
    }
    let per_second = survey.report.entries as f64 / secs;
    let peak_mb = peak_mb()?;

    let mut slowest_ms: Vec<f64> = Vec::new();
    for at in 0..PROOFS {
        // All over the log, and not twice at one place.
        let index = (at * 7_919_317 + at) % survey.checkpoint.size;
        let began = Instant::now();
        copy::receipt(&files, index, ORIGIN, &ring)?;
        slowest_ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    slowest_ms.sort_by(f64::total_cmp);
    let proof_ms = slowest_ms[slowest_ms.len() * 99 / 100];

    let few = few(&log, node)?;
    let began = Instant::now();
    copy::survey(&few, &demands(ring, true), |_| {})?;
    let with_signatures = SIGNED as f64 / began.elapsed().as_secs_f64();

    let figures = [
        ("ledger_verify_entries", survey.report.entries as f64, "entries", None),
        ("ledger_verify_rate", per_second, "entries/s", Some((PER_SECOND_MIN, per_second >= PER_SECOND_MIN))),
        ("ledger_verify_memory", peak_mb, "MB", Some((MB_MAX, peak_mb <= MB_MAX))),
        ("ledger_proof_p99", proof_ms, "ms", Some((PROOF_MS_MAX, proof_ms <= PROOF_MS_MAX))),
        ("ledger_verify_rate_with_signatures", with_signatures, "entries/s", None),
    ];
    let mut all = true;
    for (name, value, unit, bound) in figures {
        let holds = bound.is_none_or(|(_, holds)| holds);
        all &= holds;
        let bound = bound.map(|(bound, _)| bound);
        if json {
            println!(
                "{}",
                serde_json::json!({ "name": name, "value": value, "unit": unit, "bound": bound, "holds": holds })
            );
        } else {
            let bound = bound.map_or_else(|| "-".to_owned(), |bound| bound.to_string());
            println!("{name} {value:.3} {unit} {bound} {holds}");
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A short log in memory, each entry signed.
fn few(log: &SigningKey, node: SigningKey) -> Result<BTreeMap<String, Vec<u8>>, Failed> {
    let emitter = Emitter::new(node);
    let (mut writer, mut files, mut prev) = (Writer::new(), BTreeMap::new(), NO_PREDECESSOR);
    for idx in 0..SIGNED {
        let sealed = signed(idx, &emitter)?.seal(idx, prev)?;
        prev = sealed.leaf_hash;
        writer.push(sealed.body, |path, bytes| drop(files.insert(path, bytes)))?;
    }
    let (size, root) = (writer.tree().size(), writer.tree().root());
    let note = Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(log)?;
    writer.finish(&note, |path, bytes| drop(files.insert(path, bytes)))?;
    Ok(files)
}

/// The most memory that this process ever held.
fn peak_mb() -> Result<f64, Failed> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb: f64 = peak.and_then(|peak| peak.split_whitespace().next()).ok_or("no VmHWM")?.parse()?;
    Ok(kb / 1024.0)
}
