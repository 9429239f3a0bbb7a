//! Copies of a log as scripts meet them: folders, servers and databases, and what each exit code means.

use std::{fs, path::Path};

use axum::{Router, extract::State, http::StatusCode, http::Uri};
use interlock_ledger::{Checkpoint, SigningKey, copy::Writer};

use crate::{
    fake::{Run, run},
    ledger::{ORIGIN, World},
};

/// Writes the first entries of a log out as a folder.
fn written(bodies: &[Vec<u8>], key: &SigningKey, folder: &str) -> String {
    let mut writer = Writer::new();
    let keep = |path: String, bytes: Vec<u8>| {
        let path = Path::new(folder).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    bodies.iter().for_each(|body| writer.push(body.clone(), keep).unwrap());
    let (size, root) = (writer.tree().size(), writer.tree().root());
    let note = Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(key).unwrap();
    writer.finish(&note, keep).unwrap();
    folder.to_owned()
}

fn emitter() -> String {
    SigningKey::from_seed("interlock", &[9; 32]).unwrap().verifying_key().to_string()
}

async fn ask(world: &World, arguments: &[&str]) -> Run {
    let (log, emitter) = (world.key.verifying_key().to_string(), emitter());
    let keys = ["--log-key", &log, "--emitter-key", &emitter];
    run(&[&["ledger"], arguments, &keys].concat(), "").await
}

#[tokio::test]
async fn a_folder_is_verified_without_a_server() {
    let world = World::new(1).await;
    let folder = written(&world.bodies, &world.key, &world.path("copy"));
    let (receipt, memory) = (world.file("receipt", world.receipt(7).to_string()), world.path("memory"));
    let sound = ask(&world, &["verify", &folder, "--kept", &receipt, "--remember", &memory]).await;
    assert!(sound.code == 0 && sound.stdout.contains("sound"), "{sound:?}");
    assert!(fs::read_to_string(&memory).unwrap().contains("\n20\n"));
    assert_eq!(ask(&world, &["fsck", &folder]).await.code, 0);

    // Yesterday's copy: by itself in order, and found by a receipt and by what was remembered.
    let yesterday = written(&world.bodies[..12], &world.key, &world.path("yesterday"));
    assert_eq!(ask(&world, &["verify", &yesterday]).await.code, 0);
    for kept in [["--kept", &receipt], ["--remember", &memory]] {
        let found = ask(&world, &[&["verify", &yesterday][..], &kept].concat()).await;
        assert!(found.code == 1 && found.stdout.contains("shorter than the remembered"), "{found:?}");
    }

    // What is asked wrongly, what is missing, what was altered.
    let path = |name: &str| format!("{folder}/{name}");
    let nowhere = world.path("nowhere");
    for (arguments, code, said) in [
        (vec!["verify", &nowhere], 3, "name a folder"),
        (vec!["verify", &folder, "--kept", &nowhere], 3, "nowhere"),
        (vec!["verify", &folder, "--kept", &path("tile/0/000.p/20")], 3, "malformed"),
    ] {
        let run = ask(&world, &arguments).await;
        assert!(run.code == code && run.stderr.contains(said), "{said}: {run:?}");
    }
    let unasked = run(&["ledger", "verify", &folder], "").await;
    assert!(unasked.code == 3 && unasked.stderr.contains("--log-key"), "{unasked:?}");
    fs::write(path("notes.txt"), "buy milk").unwrap();
    assert_eq!(ask(&world, &["verify", &folder]).await.code, 0);
    let surplus = ask(&world, &["fsck", &folder]).await;
    assert!(surplus.code == 2 && surplus.stdout.contains("`notes.txt` belongs to no log"), "{surplus:?}");
    fs::remove_file(path("tile/0/000.p/20")).unwrap();
    let missing = ask(&world, &["verify", &folder]).await;
    assert!(missing.code == 2 && missing.stdout.contains("`tile/0/000.p/20` is not there"), "{missing:?}");
    let mut bundle = fs::read(path("tile/entries/000.p/20")).unwrap();
    let place = bundle.windows(9).position(|w| w == b"entry-13\"").unwrap();
    bundle[place + 7] = b'9';
    fs::write(path("tile/entries/000.p/20"), bundle).unwrap();
    let altered = ask(&world, &["verify", &folder]).await;
    assert!(
        altered.code == 1 && altered.stdout.contains("entry 13: emitter did not sign this"),
        "{altered:?}"
    );
    fs::remove_file(path("checkpoint")).unwrap();
    let bare = ask(&world, &["verify", &folder]).await;
    assert!(bare.code == 2 && bare.stderr.contains("there is no `checkpoint`"), "{bare:?}");
}

#[tokio::test]
async fn two_copies_are_told_apart_by_the_first_entry_that_differs() {
    let world = World::new(1).await;
    let log = written(&world.bodies, &world.key, &world.path("log"));
    let behind = written(&world.bodies[..12], &world.key, &world.path("behind"));
    let mut other = world.bodies.clone();
    other[5] = world.bodies[6].clone();
    let fork = written(&other, &world.key, &world.path("fork"));
    let key = world.key.verifying_key().to_string();
    let compare =
        async |log: &str, copy: &str| run(&["ledger", "compare", log, copy, "--log-key", &key], "").await;
    let lags = compare(&log, &behind).await;
    assert!(lags.code == 0 && lags.stdout.contains("lag      8") || lags.stdout.contains("8"), "{lags:?}");
    let cut = compare(&behind, &log).await;
    assert!(cut.code == 1 && cut.stdout.contains("cut off"), "{cut:?}");
    let forked = compare(&log, &fork).await;
    assert!(forked.code == 1 && forked.stdout.contains("they differ from entry 5 on"), "{forked:?}");
    assert_eq!(compare(&log, &world.path("nowhere")).await.code, 3);
}

#[tokio::test]
async fn a_served_log_is_verified_and_proved_by_its_files() {
    async fn file(State(folder): State<String>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
        fs::read(format!("{folder}{}", uri.path())).map_err(|_| StatusCode::NOT_FOUND)
    }
    let world = World::new(1).await;
    let folder = written(&world.bodies, &world.key, &world.path("copy"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = Router::new().fallback(file).with_state(folder.clone());
    let task = tokio::spawn(async move { axum::serve(listener, served).await.unwrap() });
    let sound = ask(&world, &["verify", &url]).await;
    assert!(sound.code == 0 && sound.stdout.contains("20"), "{sound:?}");

    let key = world.key.verifying_key().to_string();
    let keys = ["--log-key", key.as_str()];
    let to = world.path("");
    let arguments =
        [&["ledger", "receipt", "--entry", "7", "--source", &url, "--to", &to], &keys[..]].concat();
    assert_eq!(run(&arguments, "").await.code, 0);
    let receipt = world.path("default-7.tlog-proof");
    assert_eq!(fs::read_to_string(&receipt).unwrap(), world.receipt(7).to_string());

    let memory = world.path("memory");
    let continued = async |source: &str| {
        run(&[&["ledger", "consistency", "--remember", &memory, "--source", source], &keys[..]].concat(), "")
            .await
    };
    let first = continued(&url).await;
    assert!(first.code == 0 && first.stdout.contains("remembered"), "{first:?}");
    assert_eq!(continued(&folder).await.code, 0);
    let yesterday = written(&world.bodies[..12], &world.key, &world.path("yesterday"));
    let cut = continued(&yesterday).await;
    assert!(cut.code == 1 && cut.stderr.contains("shorter than what was kept"), "{cut:?}");

    fs::remove_file(Path::new(&folder).join("tile/entries/000.p/20")).unwrap();
    let missing = ask(&world, &["verify", &url]).await;
    assert_eq!(missing.code, 2, "{missing:?}");
    task.abort();
    let away = ask(&world, &["verify", &url]).await;
    assert!(away.code == 2 && away.stderr.contains("cannot reach"), "{away:?}");
}
