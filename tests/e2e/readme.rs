//! What the README tells newcomers to do is done here, so that it cannot rot.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use interlock_server::Config;

use crate::program;

/// Stands in for cargo, because a test cannot spend the minutes that a release build takes: the program that is
/// installed is the one under test, and the project's own commands are the real ones.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
    "install --locked --path host/cli")
        test -f host/cli/Cargo.toml && ln -s "$PROGRAM" "$(dirname "$0")/interlock" ;;
    "xtask "*)
        shift
        PATH="$REAL_PATH" CARGO_MANIFEST_DIR="$PWD/xtask" exec "$XTASK" "$@" ;;
    *)
        echo "the README calls cargo $*, which this test does not know" >&2
        exit 1 ;;
esac
"#;

/// What a person waits for with a `sleep`, and the line that tells that it is there. A busy test machine may need longer.
const WAITS: [(&str, &str, &str); 1] = [("sleep 2 ", "interlock device show pump-0001", "firmware  *1.0.0")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// All blocks of a language in a section of the README.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section =
        readme.split("\n## ").find_map(|text| text.strip_prefix(section)).expect(section).to_owned();
    let begin = format!("```{language}\n");
    section.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_lines_for_a_server_of_your_own_work_from_a_clone() {
    let lines = blocks("A server of your own", "sh").concat();
    let address = format!(
        "127.0.0.1:{}",
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
    );
    assert!(lines.contains("127.0.0.1:8080"), "the server listens elsewhere now");
    let mut lines = lines.replace("127.0.0.1:8080", &address);
    for (sleep, look, sign) in WAITS {
        let sleep = format!("\n{sleep}");
        assert!(lines.contains(&sleep), "nothing waits with`{sleep}`");
        // Half a minute at most.
        let wait = format!(
            "\nfor try in $(seq 150); do {look} | grep '{sign}' > /dev/null && break; sleep 0.2; done "
        );
        lines = lines.replace(&sleep, &wait);
    }
    let script = format!("set -eu -o pipefail\ntrap 'kill $(jobs -p)' EXIT\n{lines}");

    let home = tempfile::tempdir().unwrap();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("cargo"), CARGO).unwrap();
    fs::set_permissions(bin.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    let variable = |name: &str| std::env::var(name).ok();
    let usual = |name: &str, folder: &str| {
        variable(name).unwrap_or_else(|| format!("{}/{folder}", variable("HOME").unwrap_or_default()))
    };
    let path = variable("PATH").unwrap();
    let run = Command::new("bash")
        .args(["-c", &script])
        .current_dir(root())
        .env("HOME", home.path())
        .env("CARGO_HOME", usual("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", usual("RUSTUP_HOME", ".rustup"))
        .env("CARGO_TARGET_DIR", program::target_dir())
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("REAL_PATH", &path)
        .env("PROGRAM", program::interlock())
        .env("XTASK", program::xtask())
        .env("INTERLOCK__SERVER__LISTEN", &address)
        .env("INTERLOCK_URL", format!("http://{address}"))
        .output()
        .unwrap();
    let (said, log) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{script}\n{said}\n{log}");

    // The server is whole, the gates passed what was signed, and Ben and Carla have yet to say yes.
    assert!(said.contains(r#""status":"ok""#) && !said.contains("degraded"), "{said}");
    for gate in ["signature", "maintenance-window"] {
        let passed = |line: &str| line.trim_start().starts_with(gate) && line.contains("enforce  pass");
        assert!(said.lines().any(passed), "{gate} did not pass:\n{said}\n{log}");
    }
    assert!(!said.contains("no way back"), "{said}");
    for person in ["Ben (clinical_safety)", "Carla (regulatory)"] {
        let missing = |line: &str| line.contains("missing approval") && line.contains(person);
        assert!(said.lines().any(missing), "{person} is not asked for:\n{said}\n{log}");
    }
}

#[test]
fn the_first_plugin_is_bound_beside_the_default_gates() {
    let [lines] = &blocks("A first plugin", "toml")[..] else { panic!("one configuration is enough") };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("interlock.toml");
    fs::write(&file, lines).unwrap();
    let names = |config: &Config| config.gates.iter().map(|gate| gate.plugin.clone()).collect::<Vec<_>>();
    let expected = [names(&Config::default()), vec!["size-limit".to_owned()]].concat();
    assert_eq!(names(&Config::read(Some(&file)).unwrap()), expected);

    let checked =
        Command::new(program::interlock()).args(["serve", "--check", "--config"]).arg(&file).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("size-limit"));
}

#[test]
fn the_first_plugin_is_printed_whole() {
    let [code] = &blocks("A first plugin", "rust")[..] else { panic!("one plugin is enough") };
    let plugin = fs::read_to_string(root().join("examples/plugins/size-limit/src/lib.rs")).unwrap();
    let shown = plugin.split("\n#[cfg(test)]").next().unwrap();
    let shown: Vec<&str> = shown.lines().filter(|line| !line.starts_with("//!")).collect();
    assert_eq!(shown.join("\n").trim(), code.trim());
}
