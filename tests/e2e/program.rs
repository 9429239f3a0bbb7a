//! Where the program and the plugins are that `cargo xtask test` built.

use std::path::PathBuf;

use interlock_tests::Setup;

/// Where build output goes: this test runs from `<target>/debug/deps`.
pub(crate) fn target_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_path_buf()
}

/// The `interlock` program.
pub(crate) fn interlock() -> PathBuf {
    built("debug/interlock")
}

/// The demo.
pub(crate) fn demo() -> PathBuf {
    built("debug/interlock-demo")
}

/// The project's own commands.
pub(crate) fn xtask() -> PathBuf {
    built("debug/xtask")
}

/// The folder with the plugins.
pub(crate) fn plugins() -> PathBuf {
    built("interlock-plugins")
}

/// A quick server on SQLite.
pub(crate) fn quick() -> Setup {
    Setup::quick(interlock(), plugins())
}

fn built(name: &str) -> PathBuf {
    let path = target_dir().join(name);
    assert!(
        path.exists(),
        "`{}` is not built; run `cargo xtask test`, which builds it first",
        path.display()
    );
    path
}
