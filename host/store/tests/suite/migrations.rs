//! The two folders of migrations lead to the same tables.

use std::collections::BTreeSet;

use interlock_store::{Options, Store, StoreError, testing};
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
