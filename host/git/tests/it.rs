//! Heads of real repositories, with real signatures.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

use std::{fs, time::Duration};

use interlock_git::{
    AllowedSigners, CommitId, Fetched, GitError, Limits, Rules, Source, fetch, testing::Repository,
};

/// A repository in which ana and ben may sign, with one commit that ana signed.
fn begun() -> (Repository, AllowedSigners, String) {
    let repository = Repository::create().unwrap();
    let ana = repository.signer("ana", "ed25519").unwrap();
    let ben = repository.signer("ben", "ecdsa").unwrap();
    repository.signer("eve", "ed25519").unwrap();
    repository.write("policies/bundle.toml", "name = \"ours\"\n").unwrap();
    let first = repository.commit(Some("ana")).unwrap();
    (repository, AllowedSigners::parse(&format!("{ana}{ben}")).unwrap(), first)
}

fn rules<'a>(signers: &'a AllowedSigners, current: Option<&str>) -> Rules<'a> {
    Rules {
        current: current.map(|id| id.parse::<CommitId>().unwrap()),
        trusted: None,
        signers: Some(signers),
        limits: Limits::default(),
        deadline: Duration::from_secs(60),
    }
}

fn head(repository: &Repository, rules: &Rules<'_>) -> Result<Fetched, GitError> {
    let source = Source {
        url: repository.folder().display().to_string(),
        branch: "main".to_owned(),
        path: "policies".to_owned(),
    };
    fetch(&source, None, &repository.beside("cache"), rules)
}

fn refused(repository: &Repository, rules: &Rules<'_>) -> String {
    let error = head(repository, rules).unwrap_err();
    assert!(error.refuses(), "{error}");
    error.to_string()
}

#[test]
fn a_head_comes_with_its_files_and_who_signed_each_commit_since() {
    let (repository, signers, first) = begun();
    repository.write("policies/a.cedar", "one").unwrap();
    let second = repository.commit(Some("ben")).unwrap();
    let all = head(&repository, &rules(&signers, None)).unwrap();
    assert_eq!(all.head.to_string(), second);
    assert_eq!(all.files.keys().collect::<Vec<_>>(), ["a.cedar", "bundle.toml"]);
    assert_eq!(all.signers(), ["ana@example.org", "ben@example.org"]);
    let since = head(&repository, &rules(&signers, Some(&first))).unwrap();
    assert_eq!(
        since.range.iter().map(|signed| signed.commit.to_string()).collect::<Vec<_>>(),
        [second.as_str()]
    );
    assert!(head(&repository, &rules(&signers, Some(&second))).unwrap().range.is_empty());
}

#[test]
fn signatures_of_rsa_and_of_both_curves_count() {
    let (repository, ..) = begun();
    let first = repository.git(&["rev-parse", "HEAD"]).unwrap();
    let rsa = repository.signer("ria", "rsa").unwrap();
    let ben = repository.signer("ben", "ecdsa").unwrap();
    let wide = ["-q", "-N", "", "-t", "ecdsa", "-b", "384", "-f"];
    let path = repository.beside("cleo");
    assert!(std::process::Command::new("ssh-keygen").args(wide).arg(&path).status().unwrap().success());
    let cleo = repository.signer("cleo", "ecdsa").unwrap();
    for name in ["ria", "ben", "cleo"] {
        repository.commit(Some(name)).unwrap();
    }
    let signers = AllowedSigners::parse(&format!("{rsa}{ben}{cleo}")).unwrap();
    let signed = head(&repository, &rules(&signers, Some(&first))).unwrap();
    assert_eq!(signed.signers(), ["ben@example.org", "cleo@example.org", "ria@example.org"]);
}

#[test]
fn a_signed_head_does_not_make_up_for_an_unsigned_commit_before_it() {
    let (repository, signers, first) = begun();
    let unsigned = repository.commit(None).unwrap();
    repository.commit(Some("ana")).unwrap();
    let told = refused(&repository, &rules(&signers, Some(&first)));
    assert!(told.contains(&unsigned) && told.contains("is not signed"), "{told}");
}

#[test]
fn a_merge_is_held_to_the_rule_like_what_it_merges() {
    let (repository, signers, first) = begun();
    repository.git(&["checkout", "--quiet", "-b", "side"]).unwrap();
    let stranger = repository.commit(Some("eve")).unwrap();
    repository.git(&["checkout", "--quiet", "main"]).unwrap();
    repository.commit(Some("ana")).unwrap();
    repository.signed(Some("ana"), &["merge", "--quiet", "--no-ff", "-m", "merge", "side"]).unwrap();
    let told = refused(&repository, &rules(&signers, Some(&first)));
    assert!(told.contains(&stranger) && told.contains("not among the allowed signers"), "{told}");
}

#[test]
fn a_signature_of_another_commit_does_not_count() {
    let (repository, signers, first) = begun();
    let signed = repository.commit(Some("ana")).unwrap();
    let forged = repository.git(&["cat-file", "commit", &signed]).unwrap().replace("edit", "else");
    fs::write(repository.beside("forged"), forged + "\n").unwrap();
    let path = repository.beside("forged").display().to_string();
    let forged = repository.git(&["hash-object", "-t", "commit", "-w", &path]).unwrap();
    repository.git(&["update-ref", "refs/heads/main", &forged]).unwrap();
    let told = refused(&repository, &rules(&signers, Some(&first)));
    assert!(told.contains(&forged) && told.contains("does not sign this commit"), "{told}");
}

#[test]
fn a_rewound_or_replaced_branch_is_refused_with_both_commits() {
    let (repository, signers, first) = begun();
    let second = repository.commit(Some("ana")).unwrap();
    repository.git(&["reset", "--quiet", "--hard", &first]).unwrap();
    let told = refused(&repository, &rules(&signers, Some(&second)));
    assert!(told.contains(&first) && told.contains(&second), "{told}");
    repository.write("policies/b.cedar", "two").unwrap();
    let other = repository.commit(Some("ana")).unwrap();
    let told = refused(&repository, &rules(&signers, Some(&second)));
    assert!(told.contains(&other) && told.contains("does not descend"), "{told}");
}

#[test]
fn history_before_trust_begins_needs_no_signature() {
    let (repository, signers, _) = begun();
    let unsigned = repository.commit(None).unwrap();
    repository.commit(Some("ben")).unwrap();
    let trusting = Rules { trusted: Some(unsigned.parse().unwrap()), ..rules(&signers, None) };
    assert_eq!(head(&repository, &trusting).unwrap().signers(), ["ben@example.org"]);
    refused(&repository, &rules(&signers, None));
}

#[test]
fn a_shallow_repository_is_refused() {
    let (repository, signers, _) = begun();
    repository.commit(Some("ana")).unwrap();
    let from = format!("file://{}", repository.folder().display());
    let to = repository.beside("shallow");
    repository.git(&["clone", "--quiet", "--bare", "--depth=1", &from, &to.display().to_string()]).unwrap();
    let source =
        Source { url: to.display().to_string(), branch: "main".to_owned(), path: "policies".to_owned() };
    let error = fetch(&source, None, &repository.beside("cache"), &rules(&signers, None)).unwrap_err();
    assert!(matches!(error, GitError::MissingHistory { .. }), "{error}");
}

#[test]
fn what_has_no_place_in_a_bundle_is_refused_by_path() {
    for (mode, path, reason) in [
        ("120000", "link", "symbolic link"),
        ("100755", "run.cedar", "executable"),
        ("160000", "sub", "submodule"),
        ("100644", "A.CEDAR", "capital letters"),
        ("100644", "back\\slash", "no plain path"),
    ] {
        let (repository, signers, first) = begun();
        repository.write("policies/a.cedar", "x").unwrap();
        repository.git(&["add", "--all"]).unwrap();
        let blob = match mode {
            "160000" => first.clone(),
            _ => repository.git(&["hash-object", "-w", "policies/a.cedar"]).unwrap(),
        };
        let entry = format!("{mode},{blob},policies/{path}");
        repository.git(&["update-index", "--add", "--cacheinfo", &entry]).unwrap();
        repository.signed(Some("ana"), &["commit", "--quiet", "-m", "edit"]).unwrap();
        let told = refused(&repository, &rules(&signers, Some(&first)));
        assert!(told.contains(reason), "{path}: {told}");
    }
}

#[test]
fn every_limit_holds_at_its_edge() {
    let (repository, signers, _) = begun();
    repository.write("policies/cases/deep.json", "12345678").unwrap();
    repository.commit(Some("ana")).unwrap();
    let fits = Limits {
        files_max: 2,
        bundle_bytes_max: 8 + 14,
        path_bytes_max: 15,
        depth_max: 1,
        commits_max: 2,
        ..Limits::default()
    };
    let with = |limits| Rules { limits, ..rules(&signers, None) };
    assert_eq!(head(&repository, &with(fits)).unwrap().files.len(), 2);
    for smaller in [
        Limits { files_max: 1, ..fits },
        Limits { bundle_bytes_max: 21, ..fits },
        Limits { path_bytes_max: 14, ..fits },
        Limits { depth_max: 0, ..fits },
        Limits { commits_max: 1, ..fits },
        Limits { file_bytes_max: 13, ..fits },
    ] {
        refused(&repository, &with(smaller));
    }
}

#[test]
fn an_address_that_would_give_a_secret_away_is_refused() {
    let (repository, signers, _) = begun();
    let rules = rules(&signers, None);
    let token = interlock_git::Token("secret-word".to_owned());
    assert!(!format!("{token:?}").contains("secret-word"));
    for url in [
        "http://git.example.org/p.git",
        "ssh://git.example.org/p.git",
        "https://me:secret-word@git.example.org/p",
    ] {
        let source = Source { url: url.to_owned(), branch: "main".to_owned(), path: String::new() };
        let error = fetch(&source, Some(&token), &repository.beside("cache"), &rules).unwrap_err();
        assert!(matches!(error, GitError::Address { .. }), "{error}");
        assert!(!error.to_string().contains("secret-word"), "{error}");
    }
}
