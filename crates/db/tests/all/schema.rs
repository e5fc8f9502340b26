//! Both engines keep the same tables.

use std::collections::{BTreeMap, BTreeSet};

use db::{Database as _, Postgres, Sqlite};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use stage::postgres::{Databases, missing, sql};

/// Tables that one engine alone needs: its counters and marks, and what sqlx notes of migrations.
const OF_ONE_ENGINE: [&str; 4] = ["numbers", "moving", "_sqlx_migrations", "sqlite_sequence"];

/// Of each table: its columns, each with its type and whether it may be NULL.
type Tables = BTreeMap<String, BTreeSet<(String, String, bool)>>;

#[tokio::test]
async fn both_engines_have_the_same_tables_columns_and_indexes() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waxwing.db");
    Sqlite::open(&file).await.unwrap().close().await;
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    Postgres::open(&url).await.unwrap().close().await;
    let options = SqliteConnectOptions::new().filename(&file);
    let mut sqlite = SqliteConnection::connect_with(&options).await.unwrap();
    let (here, there) = (sqlite_tables(&mut sqlite).await, postgres_tables(&url));
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
    for (table, columns) in &here {
        assert_eq!(Some(columns), there.get(table), "{table}");
    }
    let indexes = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        .fetch_all(&mut sqlite)
        .await
        .unwrap();
    let here: BTreeSet<String> = indexes.iter().map(|row| row.get(0)).collect();
    let there = sql(
        &url,
        "SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
             JOIN pg_namespace n ON n.oid = i.relnamespace AND n.nspname = 'public'
             LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid AND c.contype IN ('p', 'u')
         WHERE c.oid IS NULL",
    );
    assert_eq!(here, there.unwrap().lines().map(str::to_owned).collect());
}

async fn sqlite_tables(sqlite: &mut SqliteConnection) -> Tables {
    let rows = sqlx::query(
        "SELECT m.name, c.name, c.type, c.\"notnull\" = 1 OR c.pk > 0 FROM sqlite_master m, pragma_table_info(m.name) c
         WHERE m.type = 'table'",
    )
    .fetch_all(sqlite)
    .await
    .unwrap();
    let mut tables = Tables::new();
    for row in rows {
        let (table, column, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        if OF_ONE_ENGINE.contains(&table.as_str()) {
            continue;
        }
        let kind = match kind.as_str() {
            "INTEGER" => "bigint",
            "BLOB" => "bytea",
            "TEXT" => "text",
            other => panic!("{table}.{column} is {other}"),
        };
        let filled: i64 = row.get(3);
        tables.entry(table).or_default().insert((column, kind.to_owned(), filled == 1));
    }
    tables
}

fn postgres_tables(url: &str) -> Tables {
    let rows = sql(
        url,
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
         WHERE table_schema = 'public'",
    );
    let mut tables = Tables::new();
    for line in rows.unwrap().lines() {
        let [table, column, kind, nullable] = line.split('|').collect::<Vec<_>>().try_into().unwrap();
        if !OF_ONE_ENGINE.contains(&table) {
            let entry = (column.to_owned(), kind.to_owned(), nullable == "NO");
            tables.entry(table.to_owned()).or_default().insert(entry);
        }
    }
    tables
}
