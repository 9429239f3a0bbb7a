//! The arrows between rooms that Cargo cannot hold, and habits that a reader relies on.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn rust_files(dir: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut dirs = vec![root().join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!files.is_empty(), "no Rust in `{dir}`");
    files
}

/// No file of `dir` may say any of these words outside comments.
fn never(dir: &str, words: &[&str]) {
    for (name, text) in rust_files(dir) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words {
                assert!(!code.contains(word), "{name}:{}: `{word}` does not belong in `{dir}`", number + 1);
            }
        }
    }
}

fn dependencies(krate: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join("host").join(krate).join("Cargo.toml")).unwrap();
    let runtime = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    runtime.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).map(str::to_owned).collect()
}

#[test]
fn the_domain_knows_no_framework_and_no_clock() {
    let known = dependencies("domain");
    for heavy in ["tokio", "sqlx", "axum", "wasmtime", "cedar-policy", "redis", "reqwest"] {
        assert!(!known.contains(&heavy.to_owned()), "interlock-domain depends on {heavy}");
    }
    never("host/domain/src", &["async fn", "::now()", "std::fs", "std::net", "rand::"]);
}

#[test]
fn the_solver_is_for_authors_and_the_server_does_not_know_it() {
    for krate in [
        "domain", "ledger", "policy", "sandbox", "store", "vault", "server", "drafting", "emulator",
        "workshop",
    ] {
        let known = dependencies(krate);
        for solver in ["interlock-proof", "cedar-policy-symcc"] {
            assert!(!known.contains(&solver.to_owned()), "{solver} in interlock-{krate}");
        }
    }
    never("host/proof/src", &["::now()", "std::net", "fs::write"]);
}

#[test]
fn each_heavy_dependency_has_one_room() {
    for (heavy, room) in
        [("sqlx", "store"), ("wasmtime", "sandbox"), ("cedar-policy", "policy"), ("object_store", "vault")]
    {
        for krate in [
            "domain",
            "ledger",
            "policy",
            "sandbox",
            "store",
            "vault",
            "server",
            "cli",
            "emulator",
            "workshop",
            "toolchain",
        ] {
            let known = dependencies(krate);
            assert_eq!(known.contains(&heavy.to_owned()), krate == room, "{heavy} in interlock-{krate}");
        }
    }
}

#[test]
fn the_toolchain_is_light_enough_for_xtask() {
    let known = dependencies("toolchain");
    let ours = known.iter().filter(|name| name.starts_with("interlock-")).count();
    assert_eq!(ours, 0, "interlock-toolchain would bring the sandbox's compiler into every `cargo xtask`");
    never("host/toolchain/src", &["::now()", "std::net", "async fn"]);
}

#[test]
fn the_drafting_desk_needs_neither_server_nor_plugins_nor_a_clock() {
    let known = dependencies("drafting");
    for other in
        ["interlock-server", "interlock-store", "interlock-sandbox", "interlock-vault", "reqwest", "axum"]
    {
        assert!(!known.contains(&other.to_owned()), "interlock-drafting depends on {other}");
    }
    never("host/drafting/src", &["::now()", "std::net"]);
    assert!(
        !dependencies("server").contains(&"interlock-drafting".to_owned()),
        "the server drafts no policies"
    );
}

#[test]
fn the_workshop_needs_neither_server_nor_policies_nor_a_clock() {
    let known = dependencies("workshop");
    for other in ["interlock-server", "interlock-policy", "interlock-store", "reqwest", "axum", "clap"] {
        assert!(!known.contains(&other.to_owned()), "interlock-workshop depends on {other}");
    }
    never("host/workshop/src", &["::now()", "std::net"]);
}

#[test]
fn flows_know_no_status_code_and_edges_no_store_write() {
    never("host/server/src/flow", &["StatusCode", "axum::", "http::"]);
    never("host/server/src/api", &["store.commit", "Write::"]);
    never("host/server/src/device", &["store.commit", "Write::"]);
}

#[test]
fn nothing_points_upward() {
    never("host/server/src/flow", &["crate::api", "crate::device", "crate::ops", "crate::reconcile"]);
    never("host/server/src/api", &["crate::device", "crate::reconcile"]);
    never("host/server/src/device", &["crate::api", "crate::reconcile"]);
}

#[test]
fn every_decision_page_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/decisions/README.md")).unwrap();
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || index.contains(&name), "`{name}` is not in docs/decisions/README.md");
    }
}
