//! How fast entries come into the ledger, over a bare multi-row `INSERT` of as many rows as a batch has, on the same database in
//! the same run; how long until they are signed; and what becomes of ten times as many writers.
//!
//! Prints one JSON object a line. `cargo run --release -p interlock-store --features testing --example append_rate`. Both databases
//! sync what they commit.

use std::{
    error::Error,
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use interlock_domain::{TenantId, Timestamp};
use interlock_store::{By, Commit, Note, Options, Store, StoreError, Write, testing};
use serde_json::json;
use sqlx::{
    Connection as _, PgConnection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use uuid::Uuid;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const WRITERS: usize = 64;
/// How long each figure is measured.
const LASTING: Duration = Duration::from_secs(4);
/// Of the shape of an entry: what a note of the ledger and its payload have.
const BODY_BYTES: usize = 620;
const PAYLOAD_BYTES: usize = 60;
/// Waiting commits beyond which a writer is told that the store is busy, under ten times the load.
const QUEUE_MAX: usize = 256;

#[tokio::main]
async fn main() -> Result<()> {
    let sqlite = testing::TestDatabase::sqlite();
    measure("sqlite", &sqlite.url).await?;
    let postgres = testing::TestDatabase::durable_postgres().await;
    measure("postgres", &postgres.url).await
}

async fn measure(name: &str, url: &str) -> Result<()> {
    let figure = |what: &str, value: f64, unit: &str, bound: Option<f64>, holds: bool| {
        let name = format!("ledger_{what}_{name}");
        println!("{}", json!({ "name": name, "value": value, "unit": unit, "bound": bound, "holds": holds }));
    };
    let folder = tempfile::tempdir()?;
    let options =
        |queue_max| Options { signer_dir: Some(folder.path().to_owned()), queue_max, ..Options::at(url) };
    let store = Store::open(options(4_096), testing::keys()).await?;
    let bench = Bench { store, ids: Arc::new(AtomicU64::new(1)) };

    bench.flood(WRITERS, Duration::from_secs(1)).await?;
    let flood = bench.flood(WRITERS, LASTING).await?;
    let bare = bare(url).await?;
    figure("entries_a_second", flood.per_second(), "entries", None, true);
    figure("bare_rows_a_second", bare, "rows", None, true);
    let ratio = flood.per_second() / bare;
    figure("appends_over_bare_insert", ratio, "ratio-at-least", Some(0.6), ratio >= 0.6);

    figure("catches_up_behind_full_load", bench.caught_up().await?, "s", None, true);
    let p99 = bench.paced(flood.per_second() / 2.0).await?;
    figure("p99_to_integrated_at_half_load", p99, "ms", Some(50.0), p99 < 50.0);
    bench.store.close().await;

    let bench = Bench { store: Store::open(options(QUEUE_MAX), testing::keys()).await?, ids: bench.ids };
    let before = bench.size().await?;
    let early = resident_mb()?;
    let over = bench.flood(WRITERS * 10, LASTING).await?;
    let lost = (before + over.good) as f64 - bench.size().await? as f64;
    figure("refused_at_ten_times_the_writers", over.busy as f64, "commits", None, true);
    figure("lost_at_ten_times_the_writers", lost, "entries", Some(0.0), lost == 0.0);
    let grown = resident_mb()? / early;
    figure("resident_after_ten_times_the_writers", grown, "ratio", Some(1.5), grown <= 1.5);
    bench.store.close().await;
    Ok(())
}

struct Bench {
    store: Store,
    ids: Arc<AtomicU64>,
}

/// What came of many writers.
#[derive(Default)]
struct Flood {
    good: u64,
    busy: u64,
    took: Duration,
}

impl Flood {
    fn per_second(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64()
    }
}

impl Bench {
    async fn size(&self) -> Result<u64> {
        Ok(self.store.head("mercy").await?.map_or(0, |head| head.size))
    }

    /// Each writer commits one note after the other. One that is told that the store is busy tries again.
    async fn flood(&self, writers: usize, lasting: Duration) -> Result<Flood> {
        let begun = Instant::now();
        let tasks = (0..writers).map(|_| {
            let (store, ids) = (self.store.clone(), Arc::clone(&self.ids));
            tokio::spawn(async move {
                let (mut good, mut busy) = (0, 0);
                while begun.elapsed() < lasting {
                    match store.commit(note(&ids)).await {
                        Ok(_) => good += 1,
                        Err(StoreError::Busy) => {
                            busy += 1;
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok((good, busy))
            })
        });
        let mut all = Flood::default();
        for task in tasks.collect::<Vec<_>>() {
            let (good, busy) = task.await??;
            all.good += good;
            all.busy += busy;
        }
        all.took = begun.elapsed();
        Ok(all)
    }

    /// How long until all that is there is signed, in seconds.
    async fn caught_up(&self) -> Result<f64> {
        let (begun, size) = (Instant::now(), self.size().await?);
        while self.store.signed("mercy").await?.is_none_or(|signed| signed.size < size) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    /// The time from when a commit was due until a signed checkpoint covers its entry that 99 of 100 do not exceed, in milliseconds.
    async fn paced(&self, per_second: f64) -> Result<f64> {
        let stop = Arc::new(AtomicBool::new(false));
        let looking = tokio::spawn(look(self.store.clone(), stop.clone()));
        let every = Duration::from_secs_f64(WRITERS as f64 / per_second);
        let begun = Instant::now();
        let tasks = (0..WRITERS).map(|number| {
            let (store, ids) = (self.store.clone(), Arc::clone(&self.ids));
            tokio::spawn(async move {
                let mut due = begun + every.mul_f64(number as f64 / WRITERS as f64);
                let mut written = Vec::new();
                while begun.elapsed() < LASTING {
                    tokio::time::sleep_until(due.into()).await;
                    let committed = store.commit(note(&ids)).await?;
                    written.push((due, committed.entries.last().copied().unwrap_or_default()));
                    due += every;
                }
                Ok::<_, StoreError>(written)
            })
        });
        let mut written = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            written.extend(task.await??);
        }
        self.caught_up().await?;
        stop.store(true, Ordering::Relaxed);
        let seen = looking.await?;
        let took = |(due, idx): (Instant, u64)| {
            let at = seen.partition_point(|(_, size)| *size <= idx);
            seen.get(at).map(|(at, _)| at.saturating_duration_since(due))
        };
        let mut all: Vec<Duration> = written.into_iter().filter_map(took).collect();
        all.sort();
        let at = all.len() * 99 / 100;
        Ok(all.get(at).ok_or("nothing was measured")?.as_secs_f64() * 1e3)
    }
}

/// When it was seen that so much is signed, each time that it was more.
async fn look(store: Store, stop: Arc<AtomicBool>) -> Vec<(Instant, u64)> {
    let mut seen: Vec<(Instant, u64)> = Vec::new();
    loop {
        let over = stop.load(Ordering::Relaxed);
        if let Ok(Some(checkpoint)) = store.signed("mercy").await
            && seen.last().is_none_or(|(_, size)| *size < checkpoint.size)
        {
            seen.push((Instant::now(), checkpoint.size));
        }
        if over {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One entry, with a payload.
fn note(ids: &AtomicU64) -> Commit {
    let by = By { person: None, account: "bench".to_owned(), auth: None };
    let number = ids.fetch_add(1, Ordering::Relaxed);
    let note = Note {
        kind: "bench.noted",
        object_kind: "bench",
        object_id: format!("thing-{}", number % 1_000),
        payload: json!({ "number": number, "said": "as much as a step of a rollout says" }),
    };
    let at = Timestamp::from_millis(1_795_197_600_000);
    let tenant: std::result::Result<TenantId, _> = "mercy".parse();
    let tenant = tenant.unwrap_or_else(|_| unreachable!("it is a tenant's name"));
    Commit::new(tenant, by, at, vec![Write::Note(note)], || Uuid::from_u128(u128::from(number)))
}

/// Rows a second of one writer that inserts as many at once as there are writers, each time in a transaction.
macro_rules! bare {
    ($connection:expr, $blob:literal, $number:literal) => {{
        let mut connection = $connection;
        let (blob, number) = ($blob, $number);
        let table = format!(
            "CREATE TABLE bare (log TEXT NOT NULL, idx {number} NOT NULL, kind TEXT NOT NULL, object_kind TEXT NOT NULL, \
             object_id TEXT NOT NULL, at_ms {number} NOT NULL, body {blob} NOT NULL, leaf_hash {blob} NOT NULL, \
             payload {blob}, PRIMARY KEY (log, idx))"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&mut connection).await?;
        let row = |row: usize| {
            let places: Vec<String> = (1..=9).map(|column| format!("${}", row * 9 + column)).collect();
            format!("({})", places.join(", "))
        };
        let sql = format!("INSERT INTO bare VALUES {}", (0..WRITERS).map(row).collect::<Vec<_>>().join(", "));
        let (body, hash, payload) = (vec![7_u8; BODY_BYTES], vec![9_u8; 32], vec![5_u8; PAYLOAD_BYTES]);
        let (begun, mut rows) = (Instant::now(), 0_i64);
        while begun.elapsed() < LASTING {
            let mut transaction = connection.begin().await?;
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
            for _ in 0..WRITERS {
                query = query.bind("mercy").bind(rows).bind("bench.noted").bind("bench").bind("thing-1");
                query = query.bind(1_795_197_600_000_i64).bind(&body).bind(&hash).bind(&payload);
                rows += 1;
            }
            query.execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        Ok(rows as f64 / begun.elapsed().as_secs_f64())
    }};
}

async fn bare(url: &str) -> Result<f64> {
    if url.starts_with("sqlite") {
        let options = SqliteConnectOptions::from_str(url)?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        bare!(SqliteConnection::connect_with(&options).await?, "BLOB", "INTEGER")
    } else {
        bare!(PgConnection::connect(url).await?, "BYTEA", "BIGINT")
    }
}

/// Resident memory of this process (proc(5), `VmRSS`).
fn resident_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kb * 1_024.0 / 1e6)
}
