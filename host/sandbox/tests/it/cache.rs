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
