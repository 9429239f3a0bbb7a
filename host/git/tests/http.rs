//! A real git server: lighttpd with git's own `git-http-backend`.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

use std::{fs, net::TcpListener, process::Command, time::Duration};

use interlock_git::{
    AllowedSigners, GitError, Limits, Login, Revision, Rules, Source, Token, fetch,
    testing::{Repository, Server},
};

/// Serves, with Debian's `lighttpd`, what is beside the repository; below `/closed/` only to who shows the token.
fn serve(repository: &Repository) -> Server {
    let port = Server::free_port().unwrap();
    let root = repository.beside("served");
    fs::create_dir_all(&root).unwrap();
    fs::write(repository.beside("people"), "interlock:open-sesame\n").unwrap();
    let config = format!(
        r#"
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi")
auth.backend = "plain"
auth.backend.plain.userfile = "{people}"
auth.require = ("/closed/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
alias.url = ("/closed" => "/usr/lib/git-core/git-http-backend", "/open" => "/usr/lib/git-core/git-http-backend")
setenv.add-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "GIT_CONFIG_COUNT" => "1",
  "GIT_CONFIG_KEY_0" => "safe.directory", "GIT_CONFIG_VALUE_0" => "*")
cgi.assign = ("" => "")
"#,
        root = root.display(),
        people = repository.beside("people").display(),
    );
    let file = repository.beside("lighttpd.conf");
    fs::write(&file, config).unwrap();
    Server::start(Command::new("lighttpd").arg("-D").arg("-f").arg(&file), port).unwrap()
}

#[test]
fn a_branch_comes_over_http_and_what_was_replaced_there_is_refused() {
    let repository = Repository::create().unwrap();
    let signers = AllowedSigners::parse(&repository.signer("ana", "ed25519").unwrap()).unwrap();
    repository.write("policies/bundle.toml", "name = \"ours\"\n").unwrap();
    let first = repository.commit(Some("ana")).unwrap();
    let server = serve(&repository);
    let bare = repository.beside("served/p.git").display().to_string();
    repository.git(&["clone", "--quiet", "--bare", ".", &bare]).unwrap();
    let source = |place: &str, branch: &str| Source {
        url: format!("http://127.0.0.1:{}/{place}/p.git", server.port),
        revision: Revision::of(branch),
        path: "policies".to_owned(),
        tag_prefix: "policies/".to_owned(),
    };
    let (cache, nobody) = (repository.beside("cache"), Login::default());
    let mut rules = Rules {
        current: None,
        trusted: None,
        signers: Some(&signers),
        must_sign: true,
        now_secs: 4_000_000_000,
        limits: Limits::default(),
        deadline: Duration::from_secs(60),
    };
    let fetched = fetch(&source("open", "main"), &nobody, &cache, &rules).unwrap();
    assert_eq!(fetched.head.to_string(), first);
    assert_eq!(fetched.signers(), ["ana@example.org"]);

    // A step forward comes, and a branch that is not there is named.
    repository.write("policies/a.cedar", "x").unwrap();
    let second = repository.commit(Some("ana")).unwrap();
    repository.git(&["push", "--quiet", &bare, "main"]).unwrap();
    rules.current = Some(fetched.head);
    let fetched = fetch(&source("open", "main"), &nobody, &cache, &rules).unwrap();
    assert_eq!((fetched.head.to_string(), fetched.range.len()), (second.clone(), 1));
    let error = fetch(&source("open", "other"), &nobody, &cache, &rules).unwrap_err();
    assert!(
        matches!(&error, GitError::NoRevision { .. }) && error.to_string().contains("`other`"),
        "{error}"
    );

    // A commit that nobody signed counts by a tag, for as long as it is there.
    rules.current = Some(fetched.head);
    let unsigned = repository.commit(None).unwrap();
    repository.signed(Some("ana"), &["tag", "-s", "-m", "x", "policies/3"]).unwrap();
    repository.git(&["push", "--quiet", &bare, "main", "policies/3"]).unwrap();
    for revision in ["main", "policies/3", "HEAD", unsigned.as_str()] {
        let tagged = fetch(&source("open", revision), &nobody, &cache, &rules).unwrap();
        assert_eq!((tagged.head.to_string(), tagged.signers().len()), (unsigned.clone(), 1), "{revision}");
    }
    repository.git(&["push", "--quiet", "--delete", &bare, "policies/3"]).unwrap();
    let error = fetch(&source("open", "main"), &nobody, &cache, &rules).unwrap_err();
    assert!(matches!(error, GitError::Unsigned { .. }), "{error}");

    // Rewound there, although this copy knows the newer one.
    repository.git(&["push", "--quiet", "--force", &bare, &format!("{first}:main")]).unwrap();
    rules.current = Some(fetched.head);
    let error = fetch(&source("open", "main"), &nobody, &cache, &rules).unwrap_err().to_string();
    assert!(error.contains(&first) && error.contains(&second), "{error}");

    // The branch is gone there, although this copy knows it.
    repository.git(&["push", "--quiet", &bare, "main:other"]).unwrap();
    repository.git(&["--git-dir", &bare, "symbolic-ref", "HEAD", "refs/heads/other"]).unwrap();
    repository.git(&["push", "--quiet", "--delete", &bare, "main"]).unwrap();
    let error = fetch(&source("open", "main"), &nobody, &cache, &rules).unwrap_err();
    assert!(matches!(error, GitError::NoRevision { .. }), "{error}");
    repository.git(&["push", "--quiet", &bare, "main"]).unwrap();

    // Behind a password nothing comes, and none is sent for all to read.
    rules.current = None;
    let error = fetch(&source("closed", "main"), &nobody, &cache, &rules).unwrap_err();
    assert!(matches!(error, GitError::Unreachable { .. }), "{error}");
    let known = Login { token: Some(Token("open-sesame".to_owned())), ..Login::default() };
    let error = fetch(&source("closed", "main"), &known, &cache, &rules).unwrap_err();
    assert!(matches!(error, GitError::Address { .. }), "{error}");

    // More than may come.
    let tight = Rules { limits: Limits { repository_bytes_max: 100, ..Limits::default() }, ..rules };
    let error = fetch(&source("open", "main"), &nobody, &repository.beside("small"), &tight).unwrap_err();
    assert!(matches!(error, GitError::TooLarge { .. }), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let repository = Repository::create().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = Source {
        url: format!("http://{}/p.git", silent.local_addr().unwrap()),
        revision: Revision::Head,
        path: String::new(),
        tag_prefix: String::new(),
    };
    let rules = Rules {
        current: None,
        trusted: None,
        signers: None,
        must_sign: true,
        now_secs: 4_000_000_000,
        limits: Limits::default(),
        deadline: Duration::from_millis(200),
    };
    let error = fetch(&source, &Login::default(), &repository.beside("cache"), &rules).unwrap_err();
    assert!(matches!(error, GitError::TimedOut { .. }), "{error}");
    assert!(!error.refuses());
}
