//! The solver: a program that is not ours, found, asked its version, and run once for each question within bounds.
//!
//! **Invariants.** Every question has a process of its own, so that no answer can depend on an earlier one; whoever stops
//! waiting ends that process; and only `unsat` in so many words is a proof.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cedar_policy_symcc::solver::{Decision, DecisionWithModel, Solver as Interface, SolverError};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    process::Command,
    time::timeout,
};

/// The program, as systems call it.
const PROGRAM: &str = "cvc5";
/// The oldest release whose answers the tests have seen.
const OLDEST: [u32; 3] = [1, 0, 3];
/// However little a question may take: a busy machine takes a moment to start a program.
const VERSION_WITHIN: Duration = Duration::from_secs(5);
/// After so many questions in a row without an answer nothing more is asked.
const SILENCES_MAX: u32 = 8;
/// A model of a few entities is some kilobytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// What one run of the solver may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// By the clock on the wall.
    pub timeout: Duration,
    /// Address space; held on Linux alone.
    pub memory_bytes_max: u64,
}

/// A solver that is there and says what it is.
#[derive(Debug, Clone)]
pub struct Solver {
    program: PathBuf,
    version: String,
    bounds: Bounds,
    /// How often in a row it did not answer.
    silences: Arc<AtomicU32>,
}

/// Why there is no solver to ask.
#[derive(Debug, thiserror::Error)]
pub enum NoSolver {
    /// No such program.
    #[error(
        "cannot find the solver `{}`: {why}; install cvc5 (Debian and Ubuntu: `apt-get install cvc5`; others: a program for \
         Linux, macOS or Windows from https://cvc5.github.io, at least 1.0.3) and put it on the PATH, or name it with --solver",
        program.display()
    )]
    Missing {
        /// Where it was looked for.
        program: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Something else has its name, or it is too old.
    #[error(
        "`{}` is not cvc5 of at least 1.0.3: {said}; install cvc5 (Debian and Ubuntu: `apt-get install cvc5`; others: \
         https://cvc5.github.io), or name it with --solver",
        program.display()
    )]
    Unknown {
        /// The program.
        program: PathBuf,
        /// What it said when it was asked for its version.
        said: String,
    },
}

/// Why a run brought no answer. None of these is a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// It took too long.
    #[error("the solver did not answer within {seconds} s; give it more with --timeout")]
    TimedOut {
        /// How long it had.
        seconds: u64,
    },
    /// It did not answer several times in a row, and was asked no more.
    #[error(
        "the solver did not answer {times} times in a row and was asked no more; try it by hand, or give it more with --timeout"
    )]
    GivenUp {
        /// How often.
        times: u32,
    },
    /// It says that it does not know.
    #[error("the solver answers `unknown`; simplify the policy, or give it more time with --timeout")]
    Unknown,
    /// It ran out of what it may have.
    #[error("the solver needs more than {mib} MiB of memory; give it more with --memory-mb")]
    OutOfMemory {
        /// How much it may have.
        mib: u64,
    },
    /// It ended without an answer.
    #[error(
        "the solver ended without an answer ({how}); if that was for want of memory, give it more with --memory-mb"
    )]
    Ended {
        /// Its status, and what it said.
        how: String,
    },
    /// It said what no solver should.
    #[error("the solver's answer cannot be used: {said}")]
    Garbled {
        /// The beginning of it.
        said: String,
    },
}

impl Solver {
    /// Finds the program and asks its version.
    pub async fn find(named: Option<&Path>, bounds: Bounds) -> Result<Self, NoSolver> {
        let program = named.unwrap_or(Path::new(PROGRAM)).to_path_buf();
        let missing = |why: &io::Error| NoSolver::Missing { program: program.clone(), why: why.to_string() };
        let unknown = |said: String| NoSolver::Unknown { program: program.clone(), said };
        let child = Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| missing(&error))?;
        let output = timeout(bounds.timeout.max(VERSION_WITHIN), child.wait_with_output())
            .await
            .map_err(|_| unknown("it does not say its version".to_owned()))?
            .map_err(|error| missing(&error))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().next().unwrap_or_default();
        let version = first
            .split_once("cvc5 version ")
            .and_then(|(_, rest)| rest.split([' ', '-']).next())
            .ok_or_else(|| unknown(format!("it says `{}`", beginning(first))))?;
        let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
        if numbers.as_slice() < OLDEST.as_slice() {
            return Err(unknown(format!("it is {version}")));
        }
        Ok(Self { version: version.to_owned(), program, bounds, silences: Arc::default() })
    }

    /// What it calls itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// One question's worth of it.
    pub(crate) fn run(&self) -> Run<'_> {
        Run { solver: self, script: Vec::new(), silence: None }
    }
}

/// One question: its script is gathered, then handed to a process of its own.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    solver: &'a Solver,
    script: Vec<u8>,
    /// Why there was no answer, where there was none.
    pub(crate) silence: Option<Silence>,
}

impl Run<'_> {
    async fn answer(&mut self, commands: &str) -> Result<String, SolverError> {
        self.script.extend_from_slice(commands.as_bytes());
        let (limit, silences) = (self.solver.bounds.timeout, &self.solver.silences);
        // Otherwise a solver that hangs would be waited for hundreds of times.
        let times = silences.load(Ordering::Relaxed);
        if times >= SILENCES_MAX {
            return Err(self.silent(Silence::GivenUp { times }));
        }
        let ended = timeout(limit, self.ask()).await;
        let silence = match ended {
            Ok(answer) => {
                silences.store(0, Ordering::Relaxed);
                match answer {
                    Ok(said) => return Ok(said),
                    Err(silence) => silence,
                }
            }
            // The process ends with the future that held it.
            Err(_) => {
                silences.fetch_add(1, Ordering::Relaxed);
                Silence::TimedOut { seconds: limit.as_secs() }
            }
        };
        Err(self.silent(silence))
    }

    fn silent(&mut self, silence: Silence) -> SolverError {
        let error = SolverError::Solver(silence.to_string());
        self.silence = Some(silence);
        error
    }

    async fn ask(&self) -> Result<String, Silence> {
        let failed = |error: io::Error| Silence::Ended { how: error.to_string() };
        let mut child = Command::new(&self.solver.program)
            .args(["--lang", "smt"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        child.id().map_or(Ok(()), |id| bound(id, self.solver.bounds.memory_bytes_max)).map_err(failed)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // One that has ended does not read to the end; its status says more than the broken pipe.
                let _ = stdin.write_all(&self.script).await;
                let _ = stdin.shutdown().await;
            }
        };
        let (mut said, mut complaint) = (Vec::new(), Vec::new());
        let read = async {
            match stdout {
                Some(stdout) => stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut said).await.map(drop),
                None => Ok(()),
            }
        };
        let hear = async {
            match stderr {
                Some(stderr) => stderr.take(ANSWER_BYTES_MAX).read_to_end(&mut complaint).await.map(drop),
                None => Ok(()),
            }
        };
        let ((), read, heard) = tokio::join!(write, read, hear);
        read.and(heard).map_err(failed)?;
        let status = child.wait().await.map_err(failed)?;
        if said.trim_ascii().is_empty() {
            let complaint = String::from_utf8_lossy(&complaint);
            if complaint.contains("out of memory") || complaint.contains("bad_alloc") {
                return Err(Silence::OutOfMemory { mib: self.solver.bounds.memory_bytes_max >> 20 });
            }
            let how =
                format!("{status}{}{}", if complaint.is_empty() { "" } else { ": " }, beginning(&complaint));
            return Err(Silence::Ended { how });
        }
        String::from_utf8(said).map_err(|_| Silence::Garbled { said: "it is not text".to_owned() })
    }

    fn decide(&mut self, said: &str) -> Result<Decision, SolverError> {
        match said.lines().next().unwrap_or_default().trim() {
            "sat" => Ok(Decision::Sat),
            "unsat" => Ok(Decision::Unsat),
            "unknown" => Err(self.silent(Silence::Unknown)),
            _ if said.contains("bad_alloc") => {
                Err(self.silent(Silence::OutOfMemory { mib: self.solver.bounds.memory_bytes_max >> 20 }))
            }
            _ => Err(self.silent(Silence::Garbled { said: format!("`{}`", beginning(said)) })),
        }
    }
}

impl Interface for Run<'_> {
    fn smtlib_input(&mut self) -> &mut (dyn AsyncWrite + Unpin + Send) {
        &mut self.script
    }

    async fn enable_models(&mut self) -> Result<(), SolverError> {
        self.script.extend_from_slice(b"(set-option :produce-models true)\n");
        Ok(())
    }

    async fn check_sat(&mut self) -> Result<Decision, SolverError> {
        let said = self.answer("(check-sat)\n(exit)\n").await?;
        self.decide(&said)
    }

    async fn check_sat_with_model(&mut self) -> Result<DecisionWithModel, SolverError> {
        // Where there is no model, it complains after its answer; nobody reads that.
        let said = self.answer("(check-sat)\n(get-model)\n(exit)\n").await?;
        Ok(match self.decide(&said)? {
            Decision::Sat => {
                let model = said.split_once('\n').map_or("", |(_, model)| model).to_owned();
                DecisionWithModel::Sat { model }
            }
            Decision::Unsat => DecisionWithModel::Unsat,
            Decision::Unknown => DecisionWithModel::Unknown,
        })
    }
}

/// Bounds the memory of a process that runs already: what it asks for in its first milliseconds is little.
#[cfg(target_os = "linux")]
fn bound(id: u32, memory_bytes_max: u64) -> io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let limit = Rlimit { current: Some(memory_bytes_max), maximum: Some(memory_bytes_max) };
    match prlimit(Some(pid), Resource::As, limit) {
        // It has ended before; its answer, or the lack of one, is read next.
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

#[cfg(not(target_os = "linux"))]
fn bound(_: u32, _: u64) -> io::Result<()> {
    Ok(())
}

/// Enough of a text to know it by, on one line.
fn beginning(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(200).collect()
}

/// As many runs at once as there are processors.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
