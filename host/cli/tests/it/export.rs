//! Exports, as an inspector meets them: fetched, and checked where there is no server.

use std::{
    fs::File,
    io::{Cursor, Read as _, Write as _},
    path::Path,
};

use interlock_domain::Role;
use interlock_server::testing::TestApp;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::{
    fake::{Body, FakeServer, Run, run},
    plugin::{Folder, parsed},
};

/// The files of an export of a whole small ledger.
async fn exported() -> Vec<(String, Vec<u8>)> {
    let app = TestApp::start().await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    app.person("=1+1", &[Role::Viewer]).await;
    let mut zip = ZipArchive::new(Cursor::new(auditor.get("/ledger/export").await.body)).unwrap();
    let read = (0..zip.len()).map(|at| {
        let mut inside = zip.by_index(at).unwrap();
        let mut content = Vec::new();
        inside.read_to_end(&mut content).unwrap();
        (inside.name().unwrap().into_owned(), content)
    });
    read.collect()
}

fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn unpack(files: &[(String, Vec<u8>)], to: &Path) {
    for (name, content) in files {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all(content).unwrap();
    }
}

/// Checks these files with the keys of those.
async fn check(files: &[(String, Vec<u8>)], keys: &[(String, Vec<u8>)]) -> Run {
    let folder = Folder::new();
    let path = folder.path("export.zip");
    std::fs::write(&path, pack(files)).unwrap();
    let key = |name: &str| {
        let found = keys.iter().find(|(file, _)| file == name).unwrap();
        String::from_utf8(found.1.clone()).unwrap().trim().to_owned()
    };
    let (log, server) = (key("keys/log.vkey"), key("keys/server.vkey"));
    let path = path.display().to_string();
    run(
        &["ledger", "verify-export", "--log-key", &log, "--server-key", &server, "--output", "json", &path],
        "",
    )
    .await
}

#[tokio::test]
async fn an_export_is_fetched_by_what_was_asked_and_counted() {
    let server = FakeServer::start().await;
    server.answers([(200, Body::Bytes(pack(&exported().await)))]);
    let folder = Folder::new();
    let to = folder.path("mine.zip").display().to_string();
    let arguments =
        ["ledger", "export", "--device", "pump+1&x", "--from", "2026-11-20T18:00:00.000Z", "--to", &to];
    let run = server.run(&[&arguments[..], &["--output", "json"]].concat(), "").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(server.asked()[0].0.ends_with("/ledger/export"));
    assert_eq!(server.queries(), ["device=pump%2B1%26x&from=2026%2D11%2D20T18%3A00%3A00%2E000Z"]);
    let shown = parsed(&run);
    assert_eq!(shown["entries"], shown["receipts"]);
    let both = server.run(&["ledger", "export", "--device", "a", "--person", "per_1"], "").await;
    assert_eq!(both.code, 2, "{both:?}");
}

#[tokio::test]
async fn an_export_is_checked_without_the_server_and_whatever_was_altered_is_named() {
    let files = exported().await;
    let sound = check(&files, &files).await;
    assert_eq!(sound.code, 0, "{sound:?}");
    assert_eq!(parsed(&sound)["outcome"], "sound");

    // Unpacked, it is the same, and what its README says to type is right.
    let folder = Folder::new();
    unpack(&files, &folder.path("."));
    let at = |name: &str| folder.path(name).display().to_string();
    let (log, server) = (at("keys/log.vkey"), at("keys/server.vkey"));
    let unpacked =
        run(&["ledger", "verify-export", "--log-key", &log, "--server-key", &server, &at(".")], "").await;
    assert_eq!(unpacked.code, 0, "{unpacked:?}");
    let proof = files.iter().find(|(name, _)| name.starts_with("proofs/")).unwrap();
    let receipt = run(&["ledger", "verify-receipt", "--log-key", &log, &at(&proof.0)], "").await;
    assert_eq!(receipt.code, 0, "{receipt:?}");
    let sums = std::process::Command::new("sha256sum")
        .args(["--quiet", "-c", "SHA256SUMS"])
        .current_dir(folder.path("."))
        .status();
    assert!(sums.unwrap().success());

    // One bit anywhere, in every file.
    for at in 0..files.len() {
        let mut other = files.clone();
        let middle = other[at].1.len() / 2;
        other[at].1[middle] ^= 1;
        let found = check(&other, &files).await;
        assert!([1, 3].contains(&found.code), "{}: {found:?}", files[at].0);
    }
    // A file too few or too many.
    for at in 0..files.len() {
        let mut other = files.clone();
        other.remove(at);
        assert_ne!(check(&other, &files).await.code, 0, "{}", files[at].0);
    }
    let mut more = files.clone();
    more.push(("proofs/9999999999.tlog-proof".to_owned(), proof.1.clone()));
    let found = check(&more, &files).await;
    assert!(found.code == 1 && found.stderr.contains("was added"), "{found:?}");

    // Another server's export, whole in itself, is not this server's.
    let other = exported().await;
    let found = check(&other, &files).await;
    assert_eq!(found.code, 1, "{found:?}");
    let nothing =
        run(&["ledger", "verify-export", "--log-key", &log, "--server-key", &server, "no-such.zip"], "")
            .await;
    assert_eq!(nothing.code, 3, "{nothing:?}");
}
