//! Two databases behind one form. A statement is written once; [`execute!`], [`fetch_all!`] and their like bind its
//! arguments to whichever database is there. Where the dialects differ, one function here holds both forms.

use std::{str::FromStr, time::Duration};

use sqlx::{
    PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Options, StoreError, decisions::tag_older, nodes::fill_older};

/// One thing for each database.
#[derive(Debug, Clone)]
pub(crate) enum Each<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// A pool of the database that is there.
pub(crate) type Pool<'a> = Each<&'a SqlitePool, &'a PgPool>;

/// A connection to the database that is there.
pub(crate) type Conn<'a> = Each<&'a mut SqliteConnection, &'a mut PgConnection>;

/// The pools. SQLite knows one writer at a time, so that its writers queue for one connection here instead of
/// polling each other's locks; its readers never wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    readers: Each<SqlitePool, PgPool>,
    writers: Each<SqlitePool, PgPool>,
}

/// A transaction.
pub(crate) struct Tx(Each<Transaction<'static, Sqlite>, Transaction<'static, Postgres>>);

/// Runs a statement and says how many rows it touched.
macro_rules! execute {
    ($on:expr, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $on {
            $crate::db::Each::Sqlite(on) => sqlx::query($sql)$(.bind($arg))*.execute(on).await.map(|done| done.rows_affected()),
            $crate::db::Each::Postgres(on) => sqlx::query($sql)$(.bind($arg))*.execute(on).await.map(|done| done.rows_affected()),
        }
    };
}

/// Runs a statement that names rows, such as `values(…)` makes: fixed arguments first, then those of each row.
macro_rules! execute_rows {
    ($on:expr, $sql:expr, [$($arg:expr),*], $rows:expr, |$row:pat_param| [$($cell:expr),+ $(,)?]) => {
        match $on {
            $crate::db::Each::Sqlite(on) => {
                let mut query = sqlx::query(sqlx::AssertSqlSafe($sql))$(.bind($arg))*;
                for $row in $rows {
                    query = query$(.bind($cell))+;
                }
                query.execute(on).await.map(|done| done.rows_affected())
            }
            $crate::db::Each::Postgres(on) => {
                let mut query = sqlx::query(sqlx::AssertSqlSafe($sql))$(.bind($arg))*;
                for $row in $rows {
                    query = query$(.bind($cell))+;
                }
                query.execute(on).await.map(|done| done.rows_affected())
            }
        }
    };
}

/// All rows of a query over a list of things, such as `IN` with [`values`]: fixed arguments first, then those of each.
macro_rules! fetch_rows {
    ($on:expr, $row:ty, $sql:expr, [$($arg:expr),*], $rows:expr, |$each:pat_param| [$($cell:expr),+ $(,)?]) => {
        match $on {
            $crate::db::Each::Sqlite(on) => {
                let mut query = sqlx::query_as::<_, $row>(sqlx::AssertSqlSafe($sql))$(.bind($arg))*;
                for $each in $rows {
                    query = query$(.bind($cell))+;
                }
                query.fetch_all(on).await
            }
            $crate::db::Each::Postgres(on) => {
                let mut query = sqlx::query_as::<_, $row>(sqlx::AssertSqlSafe($sql))$(.bind($arg))*;
                for $each in $rows {
                    query = query$(.bind($cell))+;
                }
                query.fetch_all(on).await
            }
        }
    };
}

/// All rows of a query, as tuples or anything else with `FromRow`.
macro_rules! fetch_all {
    ($on:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $on {
            $crate::db::Each::Sqlite(on) => sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_all(on).await,
            $crate::db::Each::Postgres(on) => sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_all(on).await,
        }
    };
}

/// The one row of a query, if there is one.
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {
        match $on {
            $crate::db::Each::Sqlite(on) => sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_optional(on).await,
            $crate::db::Each::Postgres(on) => sqlx::query_as::<_, $row>($sql)$(.bind($arg))*.fetch_optional(on).await,
        }
    };
}

pub(crate) use {execute, execute_rows, fetch_all, fetch_optional, fetch_rows};

/// Statements that each connection keeps prepared: those of all tables in all lengths of [`pieces`].
const STATEMENTS: usize = 512;

impl Db {
    /// Connects and brings the tables up to date. A SQLite file is made when there is none.
    pub(crate) async fn open(options: &Options) -> Result<Self, StoreError> {
        let scheme = options.url.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" => Self::open_sqlite(options).await,
            "postgres" | "postgresql" => Self::open_postgres(options).await,
            _ => Err(StoreError::Url { scheme: scheme.chars().take(20).collect() }),
        }
    }

    async fn open_sqlite(options: &Options) -> Result<Self, StoreError> {
        let connect = SqliteConnectOptions::from_str(&options.url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: what was committed survives a loss of power. Group commit pays for it.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(STATEMENTS)
            .pragma("temp_store", "memory");
        // No pings of a file: a connection in this process does not go away.
        let pool = |max| {
            SqlitePoolOptions::new()
                .max_connections(max)
                .test_before_acquire(false)
                .acquire_timeout(Duration::from_millis(options.acquire_timeout_ms))
                .max_lifetime(Duration::from_millis(options.max_lifetime_ms))
        };
        let writers = pool(1).connect_with(connect.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&writers).await?;
        let readers = pool(options.pool_max.max(1)).connect_with(connect.read_only(true)).await?;
        let db = Self { readers: Each::Sqlite(readers), writers: Each::Sqlite(writers) };
        tag_older(&db).await?;
        fill_older(&db).await?;
        Ok(db)
    }

    /// Connects to read what is there. Makes no file, no table and no row, also where there is no database.
    pub(crate) async fn open_to_read(options: &Options) -> Result<Self, StoreError> {
        let scheme = options.url.split(':').next().unwrap_or_default();
        let acquire = Duration::from_millis(options.acquire_timeout_ms);
        let readers = match scheme {
            "sqlite" => {
                let connect = SqliteConnectOptions::from_str(&options.url)?.create_if_missing(false);
                let file = connect.get_filename().to_owned();
                if !file.is_file() {
                    return Err(StoreError::missing("database", file.display()));
                }
                // A reader must make these two files where there are none, and only a writer takes them away again.
                let beside = |end: &str| {
                    let mut path = file.clone().into_os_string();
                    path.push(end);
                    std::path::PathBuf::from(path).exists()
                };
                let connect = connect
                    .read_only(beside("-wal") && beside("-shm"))
                    .busy_timeout(Duration::from_secs(10))
                    .pragma("query_only", "on")
                    .pragma("temp_store", "memory");
                let pool = SqlitePoolOptions::new().max_connections(4).acquire_timeout(acquire);
                Each::Sqlite(pool.connect_with(connect).await?)
            }
            "postgres" | "postgresql" => {
                let connect = PgConnectOptions::from_str(&options.url)?
                    .application_name("interlock")
                    .options([("default_transaction_read_only", "on"), ("statement_timeout", "60s")]);
                let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(acquire);
                Each::Postgres(pool.connect_with(connect).await?)
            }
            _ => return Err(StoreError::Url { scheme: scheme.chars().take(20).collect() }),
        };
        Ok(Self { writers: readers.clone(), readers })
    }

    async fn open_postgres(options: &Options) -> Result<Self, StoreError> {
        // A replica that is stopped in the middle of a transaction holds a log's head; the server lets go of it, and
        // the replica's commit then fails.
        let connect = PgConnectOptions::from_str(&options.url)?;
        let connect = connect.statement_cache_capacity(STATEMENTS).application_name("interlock").options([
            ("idle_in_transaction_session_timeout", "30s"),
            ("lock_timeout", "30s"),
            ("statement_timeout", "60s"),
        ]);
        let pool = PgPoolOptions::new()
            // One for the writer, and one so that a read never waits for it.
            .max_connections(options.pool_max.max(2))
            .acquire_timeout(Duration::from_millis(options.acquire_timeout_ms))
            .max_lifetime(Duration::from_millis(options.max_lifetime_ms))
            .connect_with(connect)
            .await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        let db = Self { readers: Each::Postgres(pool.clone()), writers: Each::Postgres(pool) };
        tag_older(&db).await?;
        fill_older(&db).await?;
        Ok(db)
    }

    /// For statements that only read.
    pub(crate) fn reader(&self) -> Pool<'_> {
        self.readers.as_ref()
    }

    /// For single statements that write what needs no ledger entry.
    pub(crate) fn writer(&self) -> Pool<'_> {
        self.writers.as_ref()
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once: a transaction that reads first
    /// and wants to write later can be refused then.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx(match &self.writers {
            Each::Sqlite(pool) => Each::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Each::Postgres(pool) => Each::Postgres(pool.begin().await?),
        }))
    }

    /// Begins a transaction that only reads: all that it reads is of one moment, whatever is written meanwhile.
    pub(crate) async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(Tx(match &self.readers {
            Each::Sqlite(pool) => Each::Sqlite(pool.begin().await?),
            Each::Postgres(pool) => {
                Each::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        }))
    }

    pub(crate) async fn close(&self) {
        for pools in [&self.readers, &self.writers] {
            match pools {
                Each::Sqlite(pool) => pool.close().await,
                Each::Postgres(pool) => pool.close().await,
            }
        }
    }
}

impl<S, P> Each<S, P> {
    fn as_ref(&self) -> Each<&S, &P> {
        match self {
            Each::Sqlite(of_sqlite) => Each::Sqlite(of_sqlite),
            Each::Postgres(of_postgres) => Each::Postgres(of_postgres),
        }
    }
}

impl Tx {
    /// The connection, for the next statement.
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Each::Sqlite(tx) => Each::Sqlite(&mut **tx),
            Each::Postgres(tx) => Each::Postgres(&mut **tx),
        }
    }

    /// Marks where to go back to when the next commit of the batch is refused.
    pub(crate) async fn savepoint(&mut self) -> Result<(), StoreError> {
        execute!(self.conn(), "SAVEPOINT one_commit")?;
        Ok(())
    }

    /// Keeps what was written since the savepoint.
    pub(crate) async fn keep(&mut self) -> Result<(), StoreError> {
        execute!(self.conn(), "RELEASE SAVEPOINT one_commit")?;
        Ok(())
    }

    /// Drops what was written since the savepoint.
    pub(crate) async fn undo(&mut self) -> Result<(), StoreError> {
        execute!(self.conn(), "ROLLBACK TO SAVEPOINT one_commit")?;
        self.keep().await
    }

    /// Makes it durable. An error here leaves open whether it is.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Each::Sqlite(tx) => tx.commit().await,
            Each::Postgres(tx) => tx.commit().await,
        }
    }
}

/// `($1,$2),($3,$4)…`: so many rows of so many parameters, numbered from `first`.
pub(crate) fn values(rows: usize, columns: usize, first: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            if column > 0 {
                text.push(',');
            }
            text.push('$');
            text.push_str(&(first + row * columns + column).to_string());
        }
        text.push(')');
    }
    text
}

/// Cuts rows into pieces of a few fixed lengths, so that the statements over them stay prepared; each half of the one before, so
/// that there are few pieces: each is a journey to the database.
pub(crate) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    const LENGTHS: [usize; 8] = [128, 64, 32, 16, 8, 4, 2, 1];
    std::iter::from_fn(move || {
        let length = LENGTHS.into_iter().find(|length| *length <= rows.len())?;
        let (piece, rest) = rows.split_at(length);
        rows = rest;
        Some(piece)
    })
}

/// Text for a column. PostgreSQL refuses NUL in text, and a device may send one; what it means stays readable.
pub(crate) fn text(words: &str) -> std::borrow::Cow<'_, str> {
    if words.contains('\0') { words.replace('\0', "\u{fffd}").into() } else { words.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_parameters_are_numbered_through() {
        assert_eq!(values(2, 3, 4), "($4,$5,$6),($7,$8,$9)");
    }

    #[test]
    fn pieces_put_together_are_the_whole() {
        for length in [0, 1, 9, 40, 700, 1_500] {
            let rows: Vec<usize> = (0..length).collect();
            assert_eq!(pieces(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        }
    }
}
