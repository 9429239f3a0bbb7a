//! Heads of real repositories, with real signatures.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

use std::{fs, time::Duration};

use interlock_git::{
    AllowedSigners, CommitId, Fetched, GitError, Limits, Login, Revision, Rules, Source, Token, fetch,
    testing::Repository,
};

/// The time at which heads are looked at: far after the keys of these tests were made.
const NOW_SECS: i64 = 4_000_000_000;

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
        must_sign: true,
        now_secs: NOW_SECS,
        limits: Limits::default(),
        deadline: Duration::from_secs(60),
    }
}

/// The branch `main` at this address.
fn main_of(url: String) -> Source {
    Source {
        url,
        revision: Revision::Branch("main".to_owned()),
        path: "policies".to_owned(),
        tag_prefix: "policies/".to_owned(),
    }
}

fn head(repository: &Repository, rules: &Rules<'_>) -> Result<Fetched, GitError> {
    let source = main_of(repository.folder().display().to_string());
    fetch(&source, &Login::default(), &repository.beside("cache"), rules)
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
    let source = main_of(to.display().to_string());
    let error =
        fetch(&source, &Login::default(), &repository.beside("cache"), &rules(&signers, None)).unwrap_err();
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
        ("100644", "c:", "no plain path"),
        ("100644", "a.cedar.", "no plain path"),
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
fn a_name_that_leads_out_of_the_folder_or_into_gits_own_is_refused() {
    for name in ["..", ".", ".git", ".GIT", "git~1", "/etc", "a/b", "../up", "nul\u{7}"] {
        let (repository, signers, first) = begun();
        fs::write(repository.beside("x"), "x").unwrap();
        let blob =
            repository.git(&["hash-object", "-w", &repository.beside("x").display().to_string()]).unwrap();
        let policies = repository.tree(&[("100644", name, &blob)]).unwrap();
        let root = repository.tree(&[("40000", "policies", &policies)]).unwrap();
        let commit = repository.signed(Some("ana"), &["commit-tree", "-S", "-p", &first, "-m", "x", &root]);
        repository.git(&["update-ref", "refs/heads/main", &commit.unwrap()]).unwrap();
        let told = refused(&repository, &rules(&signers, Some(&first)));
        assert!(told.contains("is no plain path"), "{name}: {told}");
    }
}

#[test]
fn a_folder_that_is_itself_a_link_or_a_submodule_is_no_folder() {
    for mode in ["120000", "160000", "100644"] {
        let (repository, signers, first) = begun();
        fs::write(repository.beside("x"), "/etc").unwrap();
        let blob =
            repository.git(&["hash-object", "-w", &repository.beside("x").display().to_string()]).unwrap();
        let id = if mode == "160000" { first.as_str() } else { blob.as_str() };
        let root = repository.tree(&[(mode, "policies", id)]).unwrap();
        let commit = repository.signed(Some("ana"), &["commit-tree", "-S", "-p", &first, "-m", "x", &root]);
        repository.git(&["update-ref", "refs/heads/main", &commit.unwrap()]).unwrap();
        let told = refused(&repository, &rules(&signers, Some(&first)));
        assert!(told.contains("there is no folder `policies`"), "{mode}: {told}");
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
    let login = Login { token: Some(Token("secret-word".to_owned())), ..Login::default() };
    assert!(!format!("{login:?}").contains("secret-word"));
    for url in [
        "http://git.example.org/p.git",
        "ssh://git.example.org/p.git",
        "https://me:secret-word@git.example.org/p",
    ] {
        let error = fetch(&main_of(url.to_owned()), &login, &repository.beside("cache"), &rules).unwrap_err();
        assert!(matches!(error, GitError::Address { .. }), "{error}");
        assert!(!error.to_string().contains("secret-word"), "{error}");
    }
}

#[test]
fn a_signed_tag_counts_for_the_commit_that_it_names_and_for_no_other() {
    let (repository, signers, first) = begun();
    let rules = rules(&signers, Some(&first));
    let early = repository.commit(None).unwrap();
    repository.commit(None).unwrap();
    let tag = |by, name: &str| repository.signed(Some(by), &["tag", "-s", "-m", "good", name]).unwrap();
    tag("ana", "policies/2");
    let told = refused(&repository, &rules);
    assert!(told.contains(&early) && told.contains("is not signed"), "{told}");

    repository.signed(Some("ben"), &["tag", "-s", "-m", "good", "policies/1", &early]).unwrap();
    assert_eq!(head(&repository, &rules).unwrap().signers(), ["ana@example.org", "ben@example.org"]);

    // It is gone, and with it the signature.
    repository.git(&["tag", "-d", "policies/1"]).unwrap();
    let told = refused(&repository, &rules);
    assert!(told.contains(&early), "{told}");
}

#[test]
fn a_tag_that_is_not_signed_by_who_may_or_is_called_otherwise_counts_for_nothing() {
    let (repository, signers, first) = begun();
    let rules = rules(&signers, Some(&first));
    let commit = repository.commit(None).unwrap();
    repository.git(&["tag", "policies/light"]).unwrap();
    repository.git(&["tag", "-a", "-m", "x", "policies/unsigned"]).unwrap();
    repository.signed(Some("ana"), &["tag", "-s", "-m", "x", "v1"]).unwrap();
    let told = refused(&repository, &rules);
    assert!(told.contains(&commit) && told.contains("is not signed"), "{told}");

    // The tag `v1` under a name that would count: the name that is signed decides.
    let object = repository.git(&["rev-parse", "v1"]).unwrap();
    repository.git(&["update-ref", "refs/tags/policies/v1", &object]).unwrap();
    refused(&repository, &rules);

    repository.signed(Some("eve"), &["tag", "-s", "-m", "x", "policies/eve"]).unwrap();
    let told = refused(&repository, &rules);
    assert!(told.contains("tag `policies/eve`") && told.contains("not among the allowed signers"), "{told}");

    // Ana's tag of the first commit, made to name this one.
    repository.signed(Some("ana"), &["tag", "-s", "-m", "x", "policies/first", &first]).unwrap();
    let forged = repository.git(&["cat-file", "tag", "policies/first"]).unwrap().replace(&first, &commit);
    fs::write(repository.beside("forged"), forged + "\n").unwrap();
    let path = repository.beside("forged").display().to_string();
    let forged = repository.git(&["hash-object", "-t", "tag", "-w", &path]).unwrap();
    repository.git(&["update-ref", "refs/tags/policies/forged", &forged]).unwrap();
    repository.git(&["tag", "-d", "policies/eve"]).unwrap();
    let told = refused(&repository, &rules);
    assert!(told.contains("does not sign"), "{told}");
}

#[test]
fn a_key_that_ran_out_signs_nothing_new_whatever_date_it_writes() {
    let repository = Repository::create().unwrap();
    let ana = repository.signer("ana", "ed25519").unwrap();
    repository.write("policies/bundle.toml", "name = \"ours\"\n").unwrap();
    let first = repository.commit(Some("ana")).unwrap();
    let line = ana.replacen(" ssh-", " valid-before=\"20300101\" ssh-", 1);
    let signers = AllowedSigners::parse(&line).unwrap();
    let at = |now_secs| Rules { now_secs, ..rules(&signers, None) };
    let before = 1_893_456_000;
    assert_eq!(head(&repository, &at(before - 1)).unwrap().signers(), ["ana@example.org"]);
    let told = refused(&repository, &at(before));
    assert!(told.contains(&first) && told.contains("has run out"), "{told}");
    // What was taken before it ran out stays taken.
    let taken = Rules { now_secs: before, ..rules(&signers, Some(&first)) };
    assert_eq!(head(&repository, &taken).unwrap().head.to_string(), first);
}

#[test]
fn an_object_that_was_altered_on_the_disk_is_refused() {
    let (repository, signers, _) = begun();
    let blob = repository.git(&["hash-object", "policies/bundle.toml"]).unwrap();
    fs::write(repository.beside("other"), "name = \"theirs\"\n").unwrap();
    let other =
        repository.git(&["hash-object", "-w", &repository.beside("other").display().to_string()]).unwrap();
    let loose = |id: &str| repository.folder().join(".git/objects").join(&id[..2]).join(&id[2..]);
    fs::remove_file(loose(&blob)).unwrap();
    fs::copy(loose(&other), loose(&blob)).unwrap();
    let told = refused(&repository, &rules(&signers, None));
    assert!(told.contains(&blob) && told.contains("was altered"), "{told}");
}

#[test]
fn what_nobody_signed_is_said_where_nobody_must_sign() {
    let (repository, signers, first) = begun();
    let unsigned = repository.commit(None).unwrap();
    let asked = Rules { must_sign: false, ..rules(&signers, Some(&first)) };
    let range = head(&repository, &asked).unwrap().range;
    assert_eq!((range.len(), &range[0].signer), (1, &None));
    assert!(range[0].fault.as_ref().unwrap().contains(&unsigned));
}

#[test]
fn a_branch_a_tag_a_commit_and_the_head_are_found_by_name() {
    let (repository, _, first) = begun();
    repository.git(&["tag", "-a", "-m", "x", "v1"]).unwrap();
    let second = repository.commit(None).unwrap();
    let asked = Rules {
        current: None,
        trusted: None,
        signers: None,
        must_sign: false,
        now_secs: NOW_SECS,
        limits: Limits::default(),
        deadline: Duration::from_secs(60),
    };
    let at = |text: &str| {
        let source =
            Source { revision: Revision::of(text), ..main_of(repository.folder().display().to_string()) };
        fetch(&source, &Login::default(), &repository.beside("cache"), &asked)
    };
    for (text, commit) in [("HEAD", &second), ("main", &second), ("v1", &first), (first.as_str(), &first)] {
        assert_eq!(at(text).unwrap().head.to_string(), *commit, "{text}");
    }
    for nothing in ["other", "-x", "a..b", "refs/../main", &"0".repeat(40)] {
        assert!(matches!(at(nothing), Err(GitError::NoRevision { .. })), "{nothing}");
    }
}
