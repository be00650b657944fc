//! Opening a store: what is made, who can read it, and what is refused.

use cyrus_store::{Database, OpenError, Store};
use sqlx::{Row, SqlitePool, sqlite::SqliteConnectOptions};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_its_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("made/for/it");
    let file = home.join("cyrus.db");
    let store = Store::open(&file).await.unwrap();
    for entry in fs::read_dir(&home).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    drop(store);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let _store = Store::open(&file).await.unwrap();
    assert_eq!(mode(&file), 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_one_can_be_opened_by_many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cyrus.db");
    let openers: Vec<_> = (0..8)
        .map(|_| {
            let file = file.clone();
            tokio::spawn(async move { Store::open(&file).await.map(drop) })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn one_of_a_newer_cyrus_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cyrus.db");
    drop(Store::open(&file).await.unwrap());
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&file)).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9001, 'of the future', TRUE, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();

    let refused = Store::open(&file).await.unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { found: 9001, known: 1.., .. }), "{refused}");
    let left = sqlx::query("SELECT COUNT(*) AS n FROM sessions").fetch_one(&pool).await.unwrap();
    assert_eq!(left.get::<i64, _>("n"), 0);
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cyrus.db");
    fs::write(
        &file,
        "a letter to somebody, long enough to be taken for a database header".repeat(99),
    )
    .unwrap();
    let refused = Store::open(&file).await.unwrap_err();
    assert!(matches!(refused, OpenError::Unusable { .. }), "{refused}");
    assert!(refused.to_string().contains(&file.display().to_string()));

    assert!(refused.to_string().contains("not a database"), "{refused}");

    let under_a_file = file.join("cyrus.db");
    let refused = Store::open(&under_a_file).await.unwrap_err();
    assert!(matches!(refused, OpenError::Inaccessible { .. }), "{refused}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("nowhere");
    let url = format!("postgres://cyrus:secret@localhost/cyrus?host={}", nowhere.display());
    let database = Database::new(&url, &directory.path().join("holders")).unwrap();
    let refused = Store::connect(&database).await.unwrap_err();
    assert!(matches!(refused, OpenError::Unreachable { .. }), "{refused}");
    let refused = refused.to_string();
    assert!(refused.contains("nowhere") && !refused.contains("secret"), "{refused}");
}
