//! Against Debian's `docker-registry`, and against a server that misbehaves on purpose.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod oras;
mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use interlock_ledger::Digest;
use interlock_registry::testing::DockerRegistry;
use interlock_registry::{Options, Pin, Publication, Pulled, Reference, Registry, RegistryError, sidecar};
use interlock_vault::envelope::{AuthorKey, Envelope, PluginStatement, Signers, verify};
use support::{Fault, FaultInjector};

fn options(host: &str) -> Options {
    Options {
        plain_http: BTreeSet::from([host.to_owned()]),
        timeout: Duration::from_secs(20),
        ..Options::default()
    }
}

fn cached(host: &str, dir: &Path) -> Registry {
    Registry::new(Options { cache_dir: Some(dir.to_owned()), ..options(host) }).unwrap()
}

fn publication(wasm: &[u8], keys: &[&AuthorKey]) -> Publication {
    let statement = PluginStatement {
        v: 1,
        name: "size-limit".to_owned(),
        version: "1.0.0".to_owned(),
        kind: "compliance-gate".to_owned(),
        digest: Digest::of(wasm),
    };
    let mut envelope = Envelope::new(&statement).unwrap();
    keys.iter().for_each(|key| envelope.sign(key).unwrap());
    Publication {
        wasm: wasm.to_vec(),
        name: statement.name,
        version: statement.version,
        envelope: (!keys.is_empty()).then_some(envelope),
        ..Publication::default()
    }
}

fn at(host: &str, rest: &str) -> Reference {
    format!("{host}/plugins/size-limit{rest}").parse().unwrap()
}

fn signers(pulled: &Pulled, keys: &[&AuthorKey]) -> usize {
    let mut trusted = Signers::default();
    keys.iter().for_each(|key| trusted.add("k", &key.public_pem()).unwrap());
    verify(&pulled.envelopes, pulled.digest, &trusted).signers.len()
}

#[tokio::test]
async fn what_is_pushed_comes_back_by_tag_and_by_digest_with_its_signers() {
    let server = DockerRegistry::start().unwrap();
    let host = server.host.as_str();
    let (a, b) = (AuthorKey::generate().unwrap(), AuthorKey::generate().unwrap());
    let registry = Registry::new(options(host)).unwrap();
    let pushed = registry.push(&at(host, ":1.0.0"), &publication(b"wasm one", &[&a])).await.unwrap();
    let by_tag = registry.pull(&at(host, ":1.0.0")).await.unwrap();
    assert_eq!((&by_tag.wasm[..], by_tag.digest), (&b"wasm one"[..], Digest::of(b"wasm one")));
    assert_eq!(by_tag.manifest_digest, pushed.manifest_digest);
    assert_ne!(pushed.manifest_digest, Some(pushed.digest), "the two digests are not one");
    assert_eq!(registry.pull(&pushed.pinned).await.unwrap(), by_tag);
    // The same component again is the same artifact; a second signer adds to the first, twice is once.
    for _ in 0..2 {
        let again = registry.push(&at(host, ":1.0.0"), &publication(b"wasm one", &[&b])).await.unwrap();
        assert_eq!(again, pushed);
    }
    let both = registry.pull(&pushed.pinned).await.unwrap();
    assert_eq!((both.envelopes.len(), signers(&both, &[&a, &b])), (2, 2));
    assert_eq!(signers(&both, &[&a]), 1);
    // A tag moves, a digest stays.
    registry.push(&at(host, ":1.0.0"), &publication(b"wasm two", &[])).await.unwrap();
    let moved = registry.pull(&at(host, ":1.0.0")).await.unwrap();
    assert_eq!((&moved.wasm[..], moved.envelopes.len()), (&b"wasm two"[..], 0));
    assert_eq!(registry.pull(&pushed.pinned).await.unwrap().wasm, b"wasm one");
}

#[tokio::test]
async fn without_the_network_a_digest_still_comes_from_the_cache_and_a_tag_does_not() {
    let mut server = DockerRegistry::start().unwrap();
    let host = server.host.clone();
    let dir = tempfile::tempdir().unwrap();
    let key = AuthorKey::generate().unwrap();
    let registry = cached(&host, dir.path());
    let pushed = registry.push(&at(&host, ":1"), &publication(b"wasm", &[&key])).await.unwrap();
    let first = registry.pull(&pushed.pinned).await.unwrap();
    assert_eq!(first.stale, None);
    server.stop().unwrap();
    let offline = registry.pull(&pushed.pinned).await.unwrap();
    assert_eq!((&offline.wasm, signers(&offline, &[&key])), (&first.wasm, 1));
    assert!(offline.stale.unwrap().contains("cannot be reached"));
    let by_plugin = registry.pull(&Reference::Plugin(first.digest)).await.unwrap();
    assert_eq!((&by_plugin.wasm, signers(&by_plugin, &[&key])), (&first.wasm, 1));
    let error = registry.pull(&at(&host, ":1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Down { .. }), "{error}");
    assert!(error.to_string().contains(&host) && error.to_string().contains("pull by digest"), "{error}");
}

#[tokio::test]
async fn an_altered_cache_is_never_trusted_and_fetched_again() {
    let mut server = DockerRegistry::start().unwrap();
    let host = server.host.clone();
    let dir = tempfile::tempdir().unwrap();
    let registry = cached(&host, dir.path());
    let pushed = registry.push(&at(&host, ":1"), &publication(b"wasm", &[])).await.unwrap();
    let file = dir.path().join("components").join(pushed.digest.to_hex());
    registry.pull(&pushed.pinned).await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&file, b"evil").unwrap();
    assert_eq!(registry.pull(&pushed.pinned).await.unwrap().wasm, b"wasm");
    assert_eq!(std::fs::read(&file).unwrap(), b"wasm", "it was written anew");
    std::fs::write(&file, b"evil").unwrap();
    server.stop().unwrap();
    assert!(matches!(registry.pull(&pushed.pinned).await, Err(RegistryError::Down { .. })));
    let error = registry.pull(&Reference::Plugin(pushed.digest)).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_folder_holds_components_with_their_envelopes_and_nothing_outside_of_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let key = AuthorKey::generate().unwrap();
    let folder = dir.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(dir.path().join("out.wasm"), b"out").unwrap();
    std::os::unix::fs::symlink(dir.path().join("out.wasm"), folder.join("link.wasm")).unwrap();
    let options = Options { folders: Some(vec![folder.clone()]), ..Options::default() };
    let registry = Registry::new(options).unwrap();
    let named = |name: &str| format!("dir:{}/{name}", folder.display()).parse::<Reference>().unwrap();
    let pushed = registry.push(&named("size-limit"), &publication(b"wasm", &[&key])).await.unwrap();
    assert!(sidecar(&folder.join("size-limit.wasm")).is_file());
    for reference in [&named("size-limit"), &pushed.pinned, &Reference::Plugin(pushed.digest)] {
        let pulled = registry.pull(reference).await.unwrap();
        assert_eq!((&pulled.wasm[..], signers(&pulled, &[&key])), (&b"wasm"[..], 1), "{reference}");
    }
    let other = named(&format!("size-limit@{}", Digest::of(b"other")));
    assert!(matches!(registry.pull(&other).await, Err(RegistryError::Lies { .. })));
    for outside in ["../out", "link"] {
        let error = registry.pull(&named(outside)).await.unwrap_err();
        assert!(matches!(error, RegistryError::NotAllowed { .. }), "{outside}: {error}");
    }
    let push = registry.push(&pushed.pinned, &publication(b"wasm", &[])).await;
    assert!(matches!(push, Err(RegistryError::PushByDigest { .. })));
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_never_asked() {
    let options = Options { hosts: Some(BTreeSet::new()), ..options("127.0.0.1:1") };
    let error = Registry::new(options).unwrap().pull(&at("127.0.0.1:1", ":1")).await.unwrap_err();
    assert!(error.to_string().contains("add it to `plugins.registry.hosts`"), "{error}");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_no_plugin_are_told_apart() {
    let server = DockerRegistry::start().unwrap();
    let registry = Registry::new(options(&server.host)).unwrap();
    let error = registry.pull(&at(&server.host, ":none")).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

/// One fault of a registry, and what is said about it.
async fn check(fault: Fault, said: &str) {
    let injector = FaultInjector::start(fault).await;
    let options = Options {
        size_bytes_max: 1000,
        timeout: Duration::from_millis(if fault == Fault::Hangs { 200 } else { 20_000 }),
        ..options(&injector.host)
    };
    let reference = at(&injector.host, &format!("@{}", injector.manifest_digest));
    let error = Registry::new(options).unwrap().pull(&reference).await.unwrap_err().to_string();
    assert!(error.contains(said), "{fault:?}: {error}");
    assert!(error.contains(&reference.to_string()), "{fault:?} is not placed: {error}");
}

#[tokio::test]
async fn the_fault_injector_without_a_fault_is_a_registry() {
    let injector = FaultInjector::start(Fault::None).await;
    let registry = Registry::new(options(&injector.host)).unwrap();
    let reference = at(&injector.host, &format!("@{}", injector.manifest_digest));
    assert_eq!(registry.pull(&reference).await.unwrap().wasm, support::WASM);
}

#[tokio::test]
async fn a_registry_that_lies_is_refused_with_both_digests() {
    let found = Digest::of(support::OTHER_WASM).to_string();
    check(Fault::OtherLayer, &format!("`{}` but what came is `{found}`", Digest::of(support::WASM))).await;
    check(Fault::OtherManifest, "the manifest should be `sha256:").await;
}

#[tokio::test]
async fn a_registry_that_misbehaves_is_refused_with_what_it_did() {
    check(Fault::Hangs, "did not finish within 200 ms").await;
    check(Fault::Unauthorized, "refuses these credentials (status 401)").await;
    check(Fault::TooLarge, "the component has 1001 bytes but at most 1000 are read").await;
    check(Fault::Endless, "bytes but at most").await;
    check(Fault::EndlessManifest, "the manifest has").await;
    check(Fault::Short, "the component broke off").await;
    check(Fault::Truncated, "the component broke off").await;
    check(Fault::OtherMediaType, "the layer is `text/plain` but a plugin has `application/wasm`").await;
    check(Fault::Broken, "status 500").await;
    check(Fault::RedirectsToPlainHttp, "a redirect to plain HTTP").await;
}

#[tokio::test]
async fn a_component_is_taken_up_to_its_limit_and_not_one_byte_further() {
    let injector = FaultInjector::start(Fault::None).await;
    let reference = at(&injector.host, &format!("@{}", injector.manifest_digest));
    let size = support::WASM.len() as u64;
    let pull = async |size_bytes_max| {
        let options = Options { size_bytes_max, ..options(&injector.host) };
        Registry::new(options).unwrap().pull(&reference).await
    };
    assert!(pull(size).await.is_ok());
    assert!(matches!(pull(size - 1).await, Err(RegistryError::TooLarge { what: "component", .. })));
}

#[tokio::test]
async fn a_token_is_fetched_where_the_registry_says_and_credentials_go_nowhere_else() {
    let injector = FaultInjector::start(Fault::WantsToken).await;
    let reference = at(&injector.host, &format!("@{}", injector.manifest_digest));
    let mut options = options(&injector.host);
    let refused = Registry::new(options.clone()).unwrap().pull(&reference).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Unauthorized { .. }), "{refused}");
    options.credentials.add(&injector.host, "ana", "secret");
    assert_eq!(Registry::new(options).unwrap().pull(&reference).await.unwrap().wasm, support::WASM);
}

#[tokio::test]
async fn a_pin_says_whether_it_always_gives_the_same() {
    let digest = Digest::of(b"");
    assert!(!at("localhost:1", ":1").is_pinned());
    assert!(at("localhost:1", &format!("@{digest}")).is_pinned());
    let Reference::Oci { pin, .. } = at("localhost:1", &format!("@{digest}")) else { unreachable!() };
    assert_eq!(pin, Pin::Manifest(digest));
}
