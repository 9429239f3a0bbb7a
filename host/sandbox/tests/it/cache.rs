//! The cache of compiled components: used when it is ours, compiled again when it is anything else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use interlock_sandbox::{Limits, Sandbox, SandboxError};
use tempfile::TempDir;

use crate::support::*;

/// A new process, as far as the cache can tell.
async fn start(dir: &Path, limits: Limits, wasm: &[u8]) {
    let sandbox = Sandbox::new(limits, Some(dir)).unwrap();
    let plugin = sandbox.install(wasm.to_vec()).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

fn entry(dir: &Path) -> PathBuf {
    let [path] = files(dir, "component").try_into().unwrap();
    path
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// When the file was written: a recompiled entry is a new file.
fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
}

#[tokio::test]
async fn a_second_start_reuses_what_the_first_compiled() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let first = inode(&entry(dir.path()));
    start(dir.path(), small(), &wasm).await;
    assert_eq!(inode(&entry(dir.path())), first, "it was compiled again");
    for path in [dir.path().join("cache.key"), entry(dir.path())] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_new_directory_is_closed_to_others() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("a/b");
    start(&inner, small(), &passing().build()).await;
    assert_eq!(mode(&inner), 0o700);
}

#[tokio::test]
async fn a_damaged_entry_is_compiled_again() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    let good = fs::read(&path).unwrap();
    let flipped = {
        let mut bytes = good.clone();
        bytes[good.len() / 2] ^= 1;
        bytes
    };
    for bad in [flipped, good[..good.len() - 1].to_vec(), vec![]] {
        fs::write(&path, bad).unwrap();
        start(dir.path(), small(), &wasm).await;
        assert_eq!(fs::read(&path).unwrap(), good);
    }
}

#[tokio::test]
async fn an_entry_without_its_mac_is_never_loaded() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    let mac = path.with_extension("mac");
    let good_mac = fs::read(&mac).unwrap();
    for bad in [vec![], vec![0; 32], good_mac[..31].to_vec()] {
        fs::write(&mac, bad).unwrap();
        let before = inode(&path);
        start(dir.path(), small(), &wasm).await;
        assert_ne!(inode(&path), before, "it was not compiled again");
        assert_eq!(fs::read(&mac).unwrap(), good_mac);
    }
    fs::remove_file(&mac).unwrap();
    start(dir.path(), small(), &wasm).await;
    assert_eq!(fs::read(&mac).unwrap(), good_mac);
}

#[tokio::test]
async fn a_good_entry_of_another_component_does_not_pass() {
    let dir = TempDir::new().unwrap();
    let failing = Guest::gate("(unreachable)").build();
    let wasm = passing().build();
    Sandbox::new(small(), Some(dir.path())).unwrap().install(failing).await.unwrap();
    let other = entry(dir.path());
    let (code, mac) = (fs::read(&other).unwrap(), fs::read(other.with_extension("mac")).unwrap());
    fs::remove_file(&other).unwrap();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    fs::write(&path, code).unwrap();
    fs::write(path.with_extension("mac"), mac).unwrap();
    start(dir.path(), small(), &wasm).await;
}

#[tokio::test]
async fn an_entry_of_another_installation_does_not_pass() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let wasm = passing().build();
    start(here.path(), small(), &wasm).await;
    start(there.path(), small(), &wasm).await;
    let path = entry(here.path());
    for extension in ["component", "mac"] {
        let name = path.with_extension(extension);
        fs::copy(there.path().join(name.file_name().unwrap()), &name).unwrap();
    }
    let before = inode(&path);
    start(here.path(), small(), &wasm).await;
    assert_ne!(inode(&path), before);
}

#[tokio::test]
async fn a_key_that_others_could_read_is_replaced() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let key = dir.path().join("cache.key");
    let old = fs::read(&key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    start(dir.path(), small(), &wasm).await;
    assert_ne!(fs::read(&key).unwrap(), old);
    assert_eq!(mode(&key), 0o600);
    for damaged in [vec![], vec![1; 31], vec![1; 33]] {
        fs::write(&key, &damaged).unwrap();
        start(dir.path(), small(), &wasm).await;
        assert_eq!(fs::read(&key).unwrap().len(), 32);
    }
}

#[tokio::test]
async fn the_cache_keeps_only_its_newest_entries() {
    let dir = TempDir::new().unwrap();
    let limits = Limits { cache_entries_max: 2, ..small() };
    for version in ["1.0.0", "1.0.1", "1.0.2"] {
        start(dir.path(), limits.clone(), &passing().with(|g| g.version = version.into()).build()).await;
    }
    assert_eq!(files(dir.path(), "component").len(), 2);
    assert_eq!(files(dir.path(), "mac").len(), 2);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let error = Sandbox::new(small(), Some(Path::new("/dev/null/cache"))).unwrap_err();
    assert!(matches!(error, SandboxError::Cache { .. }));
    assert!(error.to_string().starts_with("cannot use `/dev/null/cache` as the cache"), "{error}");
}

/// What one could put in the place of an entry.
fn forgeries(good: &[u8]) -> Vec<Vec<u8>> {
    // Each eighth byte of the header, where lengths and offsets stand, and then every so many bytes of the rest.
    let places = (0..good.len().min(512)).step_by(8).chain((512..good.len()).step_by(good.len() / 24));
    let flipped = places.map(|at| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let longer = [good, &[0]].concat();
    flipped.chain([longer, b"\x7fELF".to_vec(), vec![0; good.len()]]).collect()
}

#[tokio::test]
async fn a_bit_flipped_anywhere_in_an_entry_or_its_mac_means_compiling_again() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    let mac = path.with_extension("mac");
    let (good, good_mac) = (fs::read(&path).unwrap(), fs::read(&mac).unwrap());
    let sandbox = Sandbox::new(small(), Some(dir.path())).unwrap();
    let again = async || {
        let before = inode(&path);
        let plugin = sandbox.revive(interlock_ledger::Digest::of(&wasm), wasm.clone()).await.unwrap();
        assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
        inode(&path) != before
    };
    assert!(!again().await, "it was good, and was compiled all the same");
    for bad in forgeries(&good) {
        fs::write(&path, bad).unwrap();
        assert!(again().await);
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    for at in 0..good_mac.len() {
        let mut bad = good_mac.clone();
        bad[at] ^= 0x80;
        fs::write(&mac, bad).unwrap();
        assert!(again().await);
        assert_eq!(fs::read(&mac).unwrap(), good_mac);
    }
}

#[tokio::test]
async fn an_entry_of_another_engine_has_another_name_and_does_not_pass_under_this_one() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    // The version of wasmtime stands in the entry; our key, or somebody who has it, might even sign that.
    let mut other = fs::read(&path).unwrap();
    let version = other.windows(2).position(|two| two == b"48").expect("wasmtime 48");
    other[version + 1] = b'9';
    fs::write(&path, &other).unwrap();
    fs::write(path.with_extension("mac"), mac(dir.path(), &path, &other)).unwrap();
    let before = inode(&path);
    start(dir.path(), small(), &wasm).await;
    assert_ne!(inode(&path), before, "code of another wasmtime was loaded");
}

/// The MAC that the cache itself would make.
fn mac(dir: &Path, path: &Path, code: &[u8]) -> Vec<u8> {
    let key = fs::read(dir.join("cache.key")).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let mut mac = aws_lc_rs::hmac::Context::with_key(&key);
    mac.update(b"interlock compiled component v1\n");
    mac.update(path.file_stem().unwrap().as_encoded_bytes());
    mac.update(code);
    mac.sign().as_ref().to_vec()
}

#[tokio::test]
async fn a_link_in_the_place_of_an_entry_is_not_followed_and_its_target_not_written_to() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    for linked in [path.clone(), path.with_extension("mac")] {
        let target = elsewhere.path().join("target");
        fs::copy(&linked, &target).unwrap();
        let before = fs::read(&target).unwrap();
        fs::remove_file(&linked).unwrap();
        std::os::unix::fs::symlink(&target, &linked).unwrap();
        start(dir.path(), small(), &wasm).await;
        assert!(!fs::symlink_metadata(&linked).unwrap().is_symlink(), "{}", linked.display());
        assert_eq!(fs::read(&target).unwrap(), before);
    }
}

#[tokio::test]
async fn an_entry_that_others_may_write_is_compiled_again() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    for (path, wrong) in [(path.clone(), 0o666), (path.with_extension("mac"), 0o620), (path.clone(), 0o602)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(wrong)).unwrap();
        start(dir.path(), small(), &wasm).await;
        assert_eq!(mode(&path), 0o600);
    }
}

#[tokio::test]
async fn what_is_no_file_in_the_place_of_an_entry_costs_a_compilation_and_no_more() {
    let dir = TempDir::new().unwrap();
    let wasm = passing().build();
    start(dir.path(), small(), &wasm).await;
    let path = entry(dir.path());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    start(dir.path(), small(), &wasm).await;
    start(dir.path(), small(), &wasm).await;
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_costs_a_compilation_and_no_more() {
    let dir = TempDir::new().unwrap();
    let sandbox = Sandbox::new(small(), Some(dir.path())).unwrap();
    fs::remove_dir_all(dir.path()).unwrap();
    let plugin = sandbox.install(passing().build()).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}
