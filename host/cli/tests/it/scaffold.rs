//! From nothing to a component: `interlock plugin new` and `build`, in every language, and what they say when they cannot.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

use crate::fake::Run;
use crate::plugin::{Folder, parsed};

const KINDS: [&str; 3] = ["gate", "health", "strategy"];
/// Languages with the file by which a folder is known to be in them, and the one with the plugin.
const LANGUAGES: [(&str, &str, &str); 4] = [
    ("rust", "Cargo.toml", "src/lib.rs"),
    ("python", "pyproject.toml", "plugin.py"),
    ("javascript", "package.json", "plugin.js"),
    ("c", "plugin.toml", "plugin.c"),
];

/// Where build output is.
fn target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_interlock")).ancestors().nth(2).unwrap()
}

/// The path, with the compilers that `cargo xtask test` installs beside the build output.
fn path() -> OsString {
    let tools = target().with_file_name("tools");
    let folders = |named: &str, bin: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(&tools).into_iter().flatten().flatten();
        let those = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(named));
        those.map(|entry| entry.path().join(bin)).collect()
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = [folders("componentize-py-", "bin"), folders("componentize-qjs-", "node_modules/.bin")];
    std::env::join_paths(std::env::split_paths(&path).chain(installed.into_iter().flatten())).unwrap()
}

/// Runs the program in `dir` with these folders to find compilers in.
async fn run(dir: &Path, path: &OsString, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command.arg("plugin").args(arguments).current_dir(dir).env_clear().env("PATH", path);
    for known in
        ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "INTERLOCK_WASM_TOOLCHAIN", "WASI_SDK_PATH"]
    {
        if let Some(value) = std::env::var_os(known) {
            command.env(known, value);
        }
    }
    // Dependencies are compiled once for all tests, and kept for the next run.
    let kept = target().join("interlock-scaffolds");
    command.env("CARGO_TARGET_DIR", kept.join("rust")).env("XDG_CACHE_HOME", kept.join("cache"));
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    Run {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

async fn new(dir: &Path, arguments: &[&str]) -> Run {
    run(dir, &OsString::new(), &[&["new"], arguments].concat()).await
}

/// A folder with a new plugin called `night-watch` in it.
async fn scaffold(folder: &Folder, kind: &str, language: &str) -> PathBuf {
    let made = new(&folder.path(""), &["night-watch", "--kind", kind, "--lang", language]).await;
    assert_eq!(made.code, 0, "{made:?}");
    folder.path("night-watch")
}

/// Every file below `dir` with what it holds.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// Says that the program ended with `code` and these words, and that nothing below `dir` is other than it was.
async fn refuses(dir: &Path, path: &OsString, arguments: &[&str], code: i32, words: &[&str]) {
    let before = files(dir);
    let refused = run(dir, path, arguments).await;
    assert_eq!(refused.code, code, "{arguments:?}: {refused:?}");
    assert_eq!(refused.stdout, "", "{arguments:?}: {refused:?}");
    for words in words {
        assert!(refused.stderr.contains(words), "{arguments:?}: no `{words}` in {}", refused.stderr);
    }
    assert_eq!(files(dir).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{arguments:?}");
    assert!(files(dir) == before, "{arguments:?} altered a file");
}

#[tokio::test]
async fn every_kind_in_every_language_is_made_whole_and_under_its_name() {
    let contract =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/interlock.wit")).unwrap();
    for (language, project, source) in LANGUAGES {
        for kind in KINDS {
            let folder = Folder::new();
            let arguments = ["night-watch", "--kind", kind, "--lang", language, "--output", "json"];
            let made = new(&folder.path(""), &arguments).await;
            assert_eq!(made.code, 0, "{made:?}");
            let body = parsed(&made);
            assert_eq!([&body["name"], &body["kind"], &body["language"]], ["night-watch", kind, language]);

            let entries: Vec<_> =
                fs::read_dir(folder.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
            assert_eq!(entries, ["night-watch"], "{kind} {language}: something else was left");
            let whole = folder.path("night-watch");
            let text = |file: &str| {
                fs::read_to_string(whole.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
            };
            assert_eq!(text("wit/interlock.wit"), contract, "{kind} {language}");
            for file in [project, source, "cases.yaml"] {
                assert!(text(file).contains("night-watch"), "{kind} {language}: {file}");
            }
            assert!(text("README.md").contains("interlock plugin test night-watch.wasm cases.yaml"));
            for (path, content) in files(&whole) {
                let left = String::from_utf8_lossy(&content).contains("my-plugin");
                assert!(!left, "{kind} {language}: {} still has the template's name", path.display());
            }
        }
    }
}

/// Builds a new plugin of each of `kinds`, has it checked as a server would, and runs its cases.
async fn is_built_checked_and_tested(language: &str, kinds: &[&str]) {
    for kind in kinds {
        let folder = Folder::new();
        let dir = scaffold(&folder, kind, language).await;
        let what = format!("{kind} in {language}");
        let built = run(&dir, &path(), &["build"]).await;
        assert_eq!(built.code, 0, "{what}: {built:?}");
        assert!(!built.stdout.contains("advice"), "{what}: {built:?}");
        let checked = run(&dir, &path(), &["check", "night-watch.wasm"]).await;
        assert_eq!(checked.code, 0, "{what}: {checked:?}");
        assert!(checked.stdout.ends_with("good: a server would install it\n"), "{what}: {checked:?}");
        let tested = run(&dir, &path(), &["test", "night-watch.wasm", "cases.yaml"]).await;
        assert_eq!(tested.code, 0, "{what}: {tested:?}");
        assert!(tested.stdout.ends_with(" passed, 0 failed, 0 skipped\n"), "{what}: {tested:?}");
        let left = files(&dir).into_keys().filter(|path| path.to_string_lossy().ends_with(".part")).count();
        assert_eq!(left, 0, "{what}");
    }
}

#[tokio::test]
async fn new_plugins_in_c_build_and_pass_their_cases() {
    is_built_checked_and_tested("c", &KINDS).await;
}

#[tokio::test]
async fn new_plugins_in_rust_build_and_pass_their_cases() {
    is_built_checked_and_tested("rust", &KINDS).await;
}

#[tokio::test]
async fn new_plugins_in_javascript_build_and_pass_their_cases() {
    is_built_checked_and_tested("javascript", &KINDS).await;
}

// One kind: a component with CPython inside has other bytes each time, and takes a minute to compile.
#[tokio::test]
async fn a_new_gate_in_python_builds_and_passes_its_cases() {
    is_built_checked_and_tested("python", &["gate"]).await;
}

#[tokio::test]
async fn a_name_that_breaks_a_rule_is_refused_with_the_rule() {
    let folder = Folder::new();
    let (long, longest) = ("a".repeat(65), "a".repeat(64));
    for (name, rule) in [
        ("", "begins with a lower-case letter"),
        ("Night-watch", "begins with a lower-case letter"),
        ("7-watches", "begins with a lower-case letter"),
        ("../night-watch", "begins with a lower-case letter"),
        ("night_watch", "lower-case letters, digits and dashes only"),
        ("night/watch", "lower-case letters, digits and dashes only"),
        ("nächte", "lower-case letters, digits and dashes only"),
        ("night--watch", "one dash between two words"),
        ("night-", "one dash between two words"),
        (&long, "at most 64 characters"),
    ] {
        let said = format!("a plugin cannot be called `{name}`: {rule}");
        refuses(&folder.path(""), &OsString::new(), &["new", name, "--lang", "c"], 2, &[&said]).await;
    }
    assert_eq!(new(&folder.path(""), &[&longest, "--lang", "c"]).await.code, 0);
}

#[tokio::test]
async fn a_place_that_is_taken_or_cannot_be_made_is_refused_and_stays_as_it_was() {
    let folder = Folder::new();
    fs::create_dir(folder.path("full")).unwrap();
    folder.put("full/notes.txt", "mine");
    folder.put("file", "mine");
    for (dir, words) in [
        ("full", vec!["`full` is not empty", "name another folder with `--dir`"]),
        (".", vec!["`.` is not empty"]),
        ("file", vec!["`file` is there already and is no folder", "name another with `--dir`"]),
        ("no/such/folder", vec!["`no/such` is not there", "make that first"]),
    ] {
        refuses(&folder.path(""), &OsString::new(), &["new", "night-watch", "--dir", dir], 2, &words).await;
    }
    let twice = ["new", "night-watch", "--lang", "c"];
    assert_eq!(run(&folder.path(""), &OsString::new(), &twice).await.code, 0);
    refuses(&folder.path(""), &OsString::new(), &twice, 2, &["`night-watch` is not empty"]).await;
}

#[tokio::test]
async fn an_empty_folder_is_filled_also_where_one_stands_in_it_or_by_a_link() {
    for kind in ["folder", "here", "link"] {
        let folder = Folder::new();
        fs::create_dir(folder.path("empty")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path("empty"), folder.path("link")).unwrap();
        let (from, dir) = match kind {
            "folder" => (folder.path(""), "empty/"),
            "here" => (folder.path("empty"), "."),
            _ => (folder.path(""), "link"),
        };
        let made = new(&from, &["night-watch", "--lang", "c", "--dir", dir]).await;
        assert_eq!(made.code, 0, "{kind}: {made:?}");
        let whole = files(&folder.path("empty"));
        assert_eq!(whole.len(), 9, "{kind}: {:?}", whole.keys());
        assert!(whole.contains_key(&folder.path("empty/wit/interlock.wit")), "{kind}");
        let entries = fs::read_dir(folder.path("empty")).unwrap().count();
        assert_eq!(entries, 9, "{kind}: a folder was left");
    }
}

#[tokio::test]
async fn a_compiler_that_is_not_there_is_named_with_the_commands_that_install_it() {
    for (language, words) in [
        ("rust", ["cargo is not here, and Rust needs it", "rustup target add wasm32-unknown-unknown"]),
        ("python", ["`componentize-py` is not here", ".venv/bin/pip install componentize-py=="]),
        (
            "javascript",
            ["`componentize-qjs` is not here", "npm install --save-dev --save-exact componentize-qjs@"],
        ),
        ("c", ["a clang with a C library for WebAssembly is not here", "apt-get install clang-19"]),
    ] {
        let folder = Folder::new();
        let dir = scaffold(&folder, "gate", language).await;
        let empty = folder.path("bin").into_os_string();
        fs::create_dir(&empty).unwrap();
        refuses(&dir, &empty, &["build"], 4, &[words[0], words[1], "install it and try again"]).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_clang_that_knows_no_webassembly_does_not_count() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let dir = scaffold(&folder, "gate", "c").await;
    fs::create_dir(folder.path("bin")).unwrap();
    folder.put("bin/clang", "#!/bin/sh\necho 'no such target' >&2\nexit 1\n");
    fs::set_permissions(folder.path("bin/clang"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path("bin").into_os_string();
    refuses(&dir, &path, &["build"], 4, &["a clang with a C library for WebAssembly is not here"]).await;
}

#[tokio::test]
async fn a_folder_that_is_no_plugins_is_refused_with_what_is_missing() {
    let folder = Folder::new();
    fs::create_dir(folder.path("empty")).unwrap();
    folder.put("file", "");
    for dir in ["empty", "no-such-folder", "file"] {
        let words = ["is no plugin's folder", "`plugin.toml` (C)", "`interlock plugin new` makes one"];
        refuses(&folder.path(""), &path(), &["build", dir], 2, &words).await;
    }
}

#[tokio::test]
async fn a_project_file_that_does_not_fit_is_refused_by_file_and_field() {
    let folder = Folder::new();
    let dir = scaffold(&folder, "gate", "c").await;
    let sources = "sources = [\"plugin.c\", \"interlock.c\"]";
    for (text, words) in [
        ("kind = \"gate\"\nname = ".to_owned(), ["plugin.toml` cannot be read", "at line 2"]),
        (String::new(), ["plugin.toml`: `name`", "say what the plugin is called"]),
        ("name = 7".to_owned(), ["`name`", "a text that is not empty"]),
        ("name = \"Night Watch\"".to_owned(), ["`name`", "lower-case letter"]),
        (format!("name = \"night-watch\"\n{sources}"), ["`kind`", "say `gate`, `health` or `strategy`"]),
        (
            format!("name = \"night-watch\"\nkind = \"door\"\n{sources}"),
            ["`kind`", "`gate`, `health` or `strategy`"],
        ),
        (
            "name = \"n\"\nkind = \"gate\"\nsources = \"plugin.c\"".to_owned(),
            ["`sources`", "a list of texts"],
        ),
        (
            "name = \"n\"\nkind = \"gate\"\nsources = [\"gone.c\"]".to_owned(),
            ["`sources`", "`gone.c` is not there"],
        ),
        (
            format!("name = \"n\"\nkind = \"gate\"\nwit = \"gone\"\n{sources}"),
            ["gone", "`interlock plugin new` makes a folder with one"],
        ),
    ] {
        folder.put("night-watch/plugin.toml", &text);
        refuses(&dir, &path(), &["build"], 2, &words).await;
    }
    folder.put("night-watch/package.json", "{}");
    refuses(&dir, &path(), &["build"], 2, &["has both `package.json` and `plugin.toml`", "keep one of them"])
        .await;
    fs::remove_file(folder.path("night-watch/plugin.toml")).unwrap();
    folder.put("night-watch/package.json", "{\n\"name\":");
    refuses(&dir, &path(), &["build"], 2, &["package.json` cannot be read", "line 2"]).await;
}

#[tokio::test]
async fn a_source_that_does_not_compile_shows_what_the_compiler_says_and_leaves_the_component_before_it() {
    let folder = Folder::new();
    let dir = scaffold(&folder, "gate", "c").await;
    folder.put("night-watch/night-watch.wasm", "the one before");
    let source = fs::read_to_string(dir.join("plugin.c")).unwrap();
    folder.put("night-watch/plugin.c", &format!("{source}\nint x\n"));
    refuses(&dir, &path(), &["build"], 1, &["clang failed", "expected ';'"]).await;
    // Compiled, and no gate: the functions of its world are missing.
    folder.put("night-watch/plugin.c", "int x;\n");
    refuses(&dir, &path(), &["build"], 1, &["clang failed", "exports_interlock_plugin_gate_evaluate"]).await;
    // A gate, and one that no server takes.
    folder.put("night-watch/plugin.c", &source.replace("\"0.1.0\"", "\"first\""));
    refuses(&dir, &path(), &["build"], 1, &["a server would refuse it, so it is not written"]).await;
}

#[tokio::test]
async fn a_component_goes_where_it_is_said_and_an_impossible_place_is_refused_before_anything_is_built() {
    let folder = Folder::new();
    let dir = scaffold(&folder, "gate", "c").await;
    fs::create_dir(folder.path("night-watch/out")).unwrap();
    for (out, words) in [
        ("out", "`out` is a folder; say which file in it"),
        ("gone/x.wasm", "`gone` is no folder; make it first"),
    ] {
        let refused = run(&dir, &path(), &["build", "--out", out]).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
        assert!(!refused.stderr.contains("building"), "{refused:?}");
    }
    let built =
        run(&folder.path(""), &path(), &["build", "night-watch", "--out", "night-watch/out/x.wasm"]).await;
    assert_eq!(built.code, 0, "{built:?}");
    let left: Vec<_> =
        fs::read_dir(folder.path("night-watch/out")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["x.wasm"]);
}
