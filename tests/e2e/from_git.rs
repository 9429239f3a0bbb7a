//! The section about git in `docs/policies.md` is typed here, from an empty folder to policies that are in force and out of it.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use crate::{program, transcript::Typist};

#[test]
fn the_guide_for_policies_from_git_leads_from_nothing_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let path = program::interlock().parent().unwrap().display().to_string();
    let variables = [
        ("PATH", format!("{path}:{}", std::env::var("PATH").unwrap())),
        ("HOME", folder.path().display().to_string()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
    ];
    let typist = Typist {
        folder: folder.path().to_owned(),
        variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        instead: vec![("127.0.0.1:8080".to_owned(), format!("127.0.0.1:{port}"))],
    };
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policies.md");
    typist.types(&guide, "From git");
}
