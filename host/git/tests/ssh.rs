//! A real SSH server, OpenSSH's, with git's own `git-upload-pack`.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

use std::{fs, process::Command, time::Duration};

use interlock_git::{
    AllowedSigners, GitError, Limits, Login, Revision, Rules, Source, fetch,
    testing::{Repository, Server},
};

/// Serves whoever has the key `guest`; its own is `host`.
fn serve(repository: &Repository) -> Server {
    let port = Server::free_port().unwrap();
    for name in ["host", "guest", "stranger"] {
        repository.signer(name, "ed25519").unwrap();
    }
    let beside = |name: &str| repository.beside(name).display().to_string();
    fs::copy(repository.beside("guest.pub"), repository.beside("guests")).unwrap();
    let host = fs::read_to_string(repository.beside("host.pub")).unwrap();
    fs::write(repository.beside("known"), format!("[127.0.0.1]:{port} {host}")).unwrap();
    let other = fs::read_to_string(repository.beside("stranger.pub")).unwrap();
    fs::write(repository.beside("others"), format!("[127.0.0.1]:{port} {other}")).unwrap();
    let config = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
         PidFile none\nAcceptEnv GIT_PROTOCOL\nPasswordAuthentication no\nPermitRootLogin yes\n",
        beside("host"),
        beside("guests")
    );
    fs::write(repository.beside("sshd.conf"), config).unwrap();
    // The folder that it separates privileges in is made by Debian's service, which tests do not run.
    let _there = fs::create_dir_all("/run/sshd");
    let config = beside("sshd.conf");
    Server::start(Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f", &config]), port).unwrap()
}

#[test]
fn a_branch_comes_over_ssh_to_who_has_the_key_from_the_host_that_is_known() {
    let repository = Repository::create().unwrap();
    let signers = AllowedSigners::parse(&repository.signer("ana", "ed25519").unwrap()).unwrap();
    repository.write("bundle.toml", "name = \"ours\"\n").unwrap();
    let first = repository.commit(Some("ana")).unwrap();
    let server = serve(&repository);
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let source = Source {
        url: format!("ssh://{}@127.0.0.1:{}{}", user.trim(), server.port, repository.folder().display()),
        revision: Revision::Branch("main".to_owned()),
        path: String::new(),
        tag_prefix: String::new(),
    };
    let rules = Rules {
        current: None,
        trusted: None,
        signers: Some(&signers),
        must_sign: true,
        now_secs: 4_000_000_000,
        limits: Limits::default(),
        deadline: Duration::from_secs(60),
    };
    let login = |key: &str, hosts: &str| Login {
        token: None,
        ssh_key_file: Some(repository.beside(key)),
        ssh_known_hosts_file: Some(repository.beside(hosts)),
    };
    let cache = repository.beside("cache");
    let fetched = fetch(&source, &login("guest", "known"), &cache, &rules).unwrap();
    assert_eq!((fetched.head.to_string(), fetched.signers()), (first, vec!["ana@example.org".to_owned()]));

    for (key, hosts) in [("stranger", "known"), ("guest", "others"), ("guest", "nobody")] {
        let error = fetch(&source, &login(key, hosts), &cache, &rules).unwrap_err();
        assert!(matches!(error, GitError::Unreachable { .. }), "{key} {hosts}: {error}");
    }
    // No shell reads more than a path out of a path.
    let crooked = fetch(&source, &login("guest; touch pwned", "known"), &cache, &rules).unwrap_err();
    assert!(matches!(crooked, GitError::Address { .. }), "{crooked}");
}
