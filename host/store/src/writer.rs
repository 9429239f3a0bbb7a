//! The one writer: takes commits from a bounded queue and writes many of them in one transaction, so that the rate at
//! which the disk syncs is not the limit.
//!
//! Nothing of the ledger is remembered between two transactions: each reads the heads anew, so that several replicas
//! can write, and a commit whose fate is unknown leaves nothing stale behind.

use std::{sync::Arc, time::Duration};

use interlock_domain::{Assignment, DeviceId, TenantId, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    Committed, LedgerKeys, Options, Sample, StoreError, batch, db::Db, draft::Prepared, signer::Signer,
};

/// What the writer does.
#[derive(Debug)]
pub(crate) enum Work {
    /// The one write path.
    Commit(Box<Prepared>),
    /// Measurements: not ledgered, but they ride along, because each transaction of their own would be a sync.
    Samples(Vec<Sample>),
    /// When devices were last heard of; likewise.
    Seen(Vec<(TenantId, DeviceId, Timestamp)>),
    /// A target reported progress that is no step; likewise.
    Heard(Box<Assignment>, Timestamp),
    /// Finish what waits, then stop.
    Stop,
}

/// Work and who waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    reply: oneshot::Sender<Done>,
}

/// A commit's place in the ledger; `None` for what has none.
pub(crate) type Done = Result<Option<Committed>, StoreError>;

/// The callers' end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue(mpsc::Sender<Job>);

/// The other end.
pub(crate) struct Writer {
    pub(crate) db: Db,
    pub(crate) keys: Arc<LedgerKeys>,
    pub(crate) signer: Arc<Signer>,
    batch_max: usize,
    batch_wait: Duration,
    jobs: mpsc::Receiver<Job>,
}

impl Queue {
    /// Starts a writer. It stops when the last queue to it is gone, or when it is told to.
    pub(crate) fn start(db: Db, keys: Arc<LedgerKeys>, signer: Arc<Signer>, options: &Options) -> Self {
        let (sender, jobs) = mpsc::channel(options.queue_max.max(1));
        let writer = Writer {
            db,
            keys,
            signer,
            batch_max: options.batch_max.max(1),
            batch_wait: Duration::from_millis(options.batch_wait_ms),
            jobs,
        };
        tokio::spawn(writer.run());
        Self(sender)
    }

    /// Has it done, and says what came of it. Never waits for a place: a full queue is the caller's to report.
    pub(crate) async fn done(&self, work: Work) -> Done {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Job { work, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Lets the writer finish what waits and stop. Unlike other work this waits for a place.
    pub(crate) async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.0.send(Job { work: Work::Stop, reply }).await.is_ok() {
            let _ = answer.await;
        }
        self.0.closed().await;
    }
}

impl Writer {
    async fn run(mut self) {
        let mut jobs = Vec::with_capacity(self.batch_max);
        while self.collect(&mut jobs).await {
            let (stops, jobs): (Vec<Job>, Vec<Job>) =
                jobs.drain(..).partition(|job| matches!(job.work, Work::Stop));
            if !stops.is_empty() {
                self.jobs.close();
            }
            if !jobs.is_empty() {
                self.write(jobs).await;
            }
            for stop in stops {
                let _ = stop.reply.send(Ok(None));
            }
        }
    }

    /// Waits for work, then a little for more. False when there will be none.
    async fn collect(&mut self, jobs: &mut Vec<Job>) -> bool {
        if self.jobs.recv_many(jobs, self.batch_max).await == 0 {
            return false;
        }
        if self.batch_wait.is_zero() {
            return true;
        }
        let deadline = Instant::now() + self.batch_wait;
        while jobs.len() < self.batch_max {
            let room = self.batch_max - jobs.len();
            match timeout_at(deadline, self.jobs.recv_many(jobs, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        true
    }

    /// Writes them in one transaction. When the database refuses a statement, each is tried alone, so that one bad
    /// commit cannot fail its neighbours.
    async fn write(&self, jobs: Vec<Job>) {
        let error = match batch::write(self, &jobs).await {
            Ok(done) => return answer(jobs, done),
            Err(error) => error,
        };
        tracing::warn!(jobs = jobs.len(), %error, "a batch was not written");
        if jobs.len() == 1 || !may_be_ones_fault(&error) {
            let failed = jobs.iter().map(|_| Err(error.clone())).collect();
            return answer(jobs, failed);
        }
        for job in jobs {
            let done = match batch::write(self, std::slice::from_ref(&job)).await {
                Ok(done) => done,
                Err(error) => vec![Err(error)],
            };
            answer(vec![job], done);
        }
    }
}

fn answer(jobs: Vec<Job>, done: Vec<Done>) {
    for (job, done) in jobs.into_iter().zip(done) {
        // Whoever asked may have gone; what was written stays written.
        let _ = job.reply.send(done);
    }
}

/// Whether another try without some of the jobs could end better.
fn may_be_ones_fault(error: &StoreError) -> bool {
    match error {
        StoreError::Database(error) => error.as_database_error().is_some() || is_about_a_value(error),
        StoreError::Corrupt { .. } | StoreError::Key(_) | StoreError::Checkpoint(_) => true,
        // Never again after an unknown end: it may be written already.
        StoreError::Unknown(_) => false,
        _ => error.is_refusal(),
    }
}

fn is_about_a_value(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
}
