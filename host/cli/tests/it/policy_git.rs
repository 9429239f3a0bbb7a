//! Bundles in a git repository: read without a working tree, and fetched with a report of who signed them.

use interlock_git::testing::Repository;

use crate::{
    fake::{Run, run},
    plugin::parsed,
};

async fn policy(arguments: &[&str]) -> Run {
    run(&[&["policy"], arguments].concat(), "").await
}

/// A repository with a good bundle, whose second commit nobody signed, and a broken file that is not committed.
async fn begun() -> (Repository, String) {
    let repository = Repository::create().unwrap();
    let line = repository.signer("ana", "ed25519").unwrap();
    std::fs::write(repository.beside("allowed"), line).unwrap();
    let bundle = repository.folder().join("ours").display().to_string();
    assert_eq!(policy(&["new", &bundle]).await.code, 0);
    repository.commit(Some("ana")).unwrap();
    repository.git(&["tag", "v1"]).unwrap();
    let text = std::fs::read_to_string(repository.folder().join("ours/bundle.toml")).unwrap();
    repository.write("ours/bundle.toml", &text.replace("revision = 1", "revision = 2")).unwrap();
    repository.commit(None).unwrap();
    repository.write("ours/broken.cedar", "permit (").unwrap();
    (repository, bundle)
}

#[tokio::test]
async fn what_is_committed_counts_and_not_what_lies_in_the_working_tree() {
    let (repository, bundle) = begun().await;
    let folder = repository.folder().display().to_string();
    assert_eq!(policy(&["check", &bundle]).await.code, 1);
    let place = ["--git", &folder, "--path", "ours"];
    for arguments in [
        &["check"][..],
        &["test"],
        &["diff", "v1", "main"],
        &["explain", "--person", "otto", "--role", "viewer", "--action", "ReadChange", "--on", "tenant"],
        &["check", "--rev", "v1"],
    ] {
        let run = policy(&[arguments, &place[..]].concat()).await;
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
    }
    let diff = policy(&[&["diff", "v1", "main", "--output", "json"][..], &place[..]].concat()).await;
    assert!(diff.stdout.contains('2'), "{diff:?}");
    let none = policy(&[&["check", "--rev", "other"][..], &place[..]].concat()).await;
    assert!(none.code == 2 && none.stderr.contains("branch or tag `other`"), "{none:?}");
    let nowhere = policy(&["check", "--git", &folder, "--path", "theirs"]).await;
    assert!(nowhere.code == 2 && nowhere.stderr.contains("no folder `theirs`"), "{nowhere:?}");
    let both = policy(&["check", &bundle, "--git", &folder]).await;
    assert_eq!(both.code, 2, "{both:?}");
}

#[tokio::test]
async fn a_fetched_bundle_comes_with_who_signed_each_commit() {
    let (repository, _) = begun().await;
    let folder = repository.folder().display().to_string();
    let allowed = repository.beside("allowed").display().to_string();
    let into = |name: &str| repository.beside(name).display().to_string();
    let fetch = async |rev: &str, into: &str| {
        let signers = ["--allowed-signers", allowed.as_str(), "--output", "json"];
        let place = ["fetch", rev, "--git", &folder, "--path", "ours", "--into", into];
        policy(&[&place[..], &signers[..]].concat()).await
    };
    let signed = fetch("v1", &into("first")).await;
    assert_eq!(signed.code, 0, "{signed:?}");
    assert_eq!(parsed(&signed)["commits"][0]["signer"], "ana@example.org");
    assert!(repository.beside("first").join("bundle.toml").is_file());
    let unsigned = fetch("main", &into("second")).await;
    assert_eq!(unsigned.code, 3, "{unsigned:?}");
    assert!(parsed(&unsigned)["commits"][1]["fault"].as_str().unwrap().contains("is not signed"));
    assert!(unsigned.stderr.contains("1 of 2 commits"), "{unsigned:?}");
    let again = fetch("v1", &into("first")).await;
    assert!(again.code == 2 && again.stderr.contains("is there already"), "{again:?}");
}
