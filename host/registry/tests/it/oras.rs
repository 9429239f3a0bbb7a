//! `oras` understands what we push, and we what it pushes: the artifact is one that others make too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use interlock_ledger::Digest;
use interlock_registry::testing::DockerRegistry;
use interlock_registry::{Options, Publication, Reference, Registry, RegistryError};

/// Where `cargo xtask test` installs it: in the folder `tools` beside the build output.
fn python() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let python = target.with_file_name("tools").join("oras-0.2.43/bin/python3");
    assert!(python.is_file(), "`{}` is not there: run `cargo xtask test` once", python.display());
    python
}

fn oras(dir: &Path, call: &str) {
    let script = format!("import oras.client\nclient = oras.client.OrasClient(insecure=True)\n{call}\n");
    let ended = Command::new(python()).current_dir(dir).args(["-c", &script]).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Large enough for several reads, and no text.
fn wasm() -> Vec<u8> {
    (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[tokio::test]
async fn what_we_push_oras_pulls_and_what_oras_pushes_we_pull_byte_by_byte() {
    let server = DockerRegistry::start().unwrap();
    let host = &server.host;
    let dir = tempfile::tempdir().unwrap();
    let options = Options { plain_http: BTreeSet::from([host.clone()]), ..Options::default() };
    let registry = Registry::new(options).unwrap();
    let at = |rest: &str| format!("{host}/plugins/{rest}").parse::<Reference>().unwrap();

    let publication = Publication { wasm: wasm(), name: "ours".to_owned(), ..Publication::default() };
    registry.push(&at("ours:1"), &publication).await.unwrap();
    oras(dir.path(), &format!("client.pull(target='{host}/plugins/ours:1', outdir='.')"));
    assert!(std::fs::read(dir.path().join("ours.wasm")).unwrap() == wasm());

    std::fs::write(dir.path().join("theirs.wasm"), wasm()).unwrap();
    std::fs::write(dir.path().join("config.json"), "{}").unwrap();
    let push = |name: &str, config: &str| {
        format!(
            "client.push(target='{host}/plugins/{name}:1', files=['theirs.wasm:application/wasm']{config})"
        )
    };
    oras(dir.path(), &push("theirs", ", manifest_config='config.json:application/vnd.wasm.config.v0+json'"));
    let pulled = registry.pull(&at("theirs:1")).await.unwrap();
    assert!(pulled.wasm == wasm());
    assert_eq!(pulled.digest, Digest::of(wasm()));

    // Without the config of a wasm artifact it could be anything.
    oras(dir.path(), &push("any", ""));
    let error = registry.pull(&at("any:1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::MediaType { what: "config", .. }), "{error}");
}
