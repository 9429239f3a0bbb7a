//! The two folders of migrations lead to the same tables.

use std::collections::BTreeSet;

use interlock_store::{AdvisoriesFound, Options, Store, StoreError, testing};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

/// Table, column, kind of value, whether it may be absent.
type Columns = BTreeSet<(String, String, &'static str, bool)>;

fn kind(of: &str) -> &'static str {
    match of.to_ascii_lowercase().as_str() {
        "integer" | "bigint" => "number",
        "text" => "text",
        "blob" | "bytea" => "bytes",
        "real" | "double precision" => "float",
        other => panic!("`{other}` is no type of the store"),
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let (file, server) = (testing::TestDatabase::sqlite(), testing::TestDatabase::postgres().await);
    for database in [&file, &server] {
        database.open().await.close().await;
    }
    let mut sqlite = SqliteConnection::connect(&file.url).await.unwrap();
    let rows: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT t.name, c.name, c.type, c.\"notnull\" = 0 FROM sqlite_schema t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut sqlite)
    .await
    .unwrap();
    let of_sqlite: Columns =
        rows.into_iter().map(|(table, column, of, absent)| (table, column, kind(&of), absent)).collect();
    let mut postgres = PgConnection::connect(&server.url).await.unwrap();
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut postgres)
    .await
    .unwrap();
    let of_postgres: Columns = rows
        .into_iter()
        .map(|(table, column, of, absent)| (table, column, kind(&of), absent == "YES"))
        .collect();
    assert_eq!(of_sqlite, of_postgres);
    assert!(of_sqlite.len() > 80, "the comparison saw only {} columns", of_sqlite.len());
}

#[tokio::test]
async fn an_address_of_no_known_database_is_refused_without_repeating_its_password() {
    let error =
        Store::open(Options::at("mysql://root:hunter2@db/interlock"), testing::keys()).await.unwrap_err();
    assert!(matches!(error, StoreError::Url { .. }));
    assert_eq!(error.to_string(), "`mysql` is no database; use `sqlite:PATH` or `postgres://USER@HOST/NAME`");
}

/// Brings a database to where it was before a migration, with these rows, and opens it as it is now.
async fn opened_from_before(
    number: &str,
    database: &testing::TestDatabase,
    dialect: &str,
    rows: &'static str,
) -> Store {
    let before = tempfile::tempdir().unwrap();
    let all = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
    for file in std::fs::read_dir(all).unwrap().map(Result::unwrap) {
        if file.file_name().to_str().unwrap() < number {
            std::fs::copy(file.path(), before.path().join(file.file_name())).unwrap();
        }
    }
    let migrator = sqlx::migrate::Migrator::new(before.path()).await.unwrap();
    if dialect == "sqlite" {
        let url = format!("{}?mode=rwc", database.url);
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        migrator.run(&mut connection).await.unwrap();
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        migrator.run(&mut connection).await.unwrap();
        sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
    }
    database.open().await
}

#[tokio::test]
async fn advisories_are_carried_over_and_were_complete_for_the_ecosystems_that_they_are_about() {
    let rows = r#"INSERT INTO advisories (tenant, id, modified_ms) VALUES ('mercy', 'A-1', 1);
        INSERT INTO advisory_packages (tenant, package, id, bytes, body) VALUES
            ('mercy', 'pkg:npm/%40s/c', 'A-1', 30, '{"affected":[1],"id":"A-1"}'),
            ('mercy', 'pkg:npm/b', 'A-1', 30, '{"affected":[2],"id":"A-1"}'),
            ('mercy', 'pkg:deb/debian/xz-utils', 'A-1', 30, '{"affected":[3],"id":"A-1"}'),
            ('grace', 'pkg:pypi/x', 'A-1', 30, '{}');
        INSERT INTO advisory_imports (tenant, as_of_ms, imported_ms) VALUES ('mercy', 5, 6)"#;
    let mercy = "mercy".parse().unwrap();
    for (database, dialect) in
        [(testing::TestDatabase::sqlite(), "sqlite"), (testing::TestDatabase::postgres().await, "postgres")]
    {
        let store = opened_from_before("0010", &database, dialect, rows).await;
        let state = store.advisory_state(&mercy).await.unwrap();
        let names: Vec<&str> = state.ecosystems.keys().map(String::as_str).collect();
        assert_eq!((names, state.records), (vec!["deb/debian", "npm"], 1));
        assert!(state.ecosystems.values().all(|as_of| as_of.as_millis() == 5));
        let told = store.advisories_of(&mercy, &["pkg:npm/b".to_owned()], 1_000).await.unwrap();
        let row = ("pkg:npm/b".to_owned(), r#"{"affected":[2],"id":"A-1"}"#.to_owned());
        assert_eq!(told, AdvisoriesFound::Rows(vec![row]));
    }
}
