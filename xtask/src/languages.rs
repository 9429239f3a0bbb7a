//! Compilers for plugins in Python, JavaScript and C: installed from their registries, in these versions.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use interlock_toolchain::{COMPONENTIZE_PY, COMPONENTIZE_QJS};

use crate::programs::{self, Program};

/// PyPI's `oras`; `host/registry/tests/it/oras.rs` names the same version.
const ORAS: &str = "0.2.43";

/// npm's `oidc-provider`; `host/server/tests/api/oidc/real.rs` names the same version.
const OIDC_PROVIDER: &str = "9.13.3";

/// PyPI's `localstack-core`; `host/server/tests/api/copies/storage.rs` names the same version.
const LOCALSTACK: &str = "4.14.0";

/// PyPI's `stellar-sdk`; `host/server/tests/api/anchors/outside.rs` names the same version.
const STELLAR_SDK: &str = "16.1.1";

const NPM: Program = Program {
    name: "npm",
    package: "npm",
    needed_for: "plugins in JavaScript, and the tests of logins at an identity provider",
};
const PYTHON: Program =
    Program { name: "python3", package: "python3-venv", needed_for: "plugins in Python, and `oras`" };

/// What the system's packages bring.
const PROGRAMS: &[Program] = &[
    Program { name: "clang-19", package: "clang-19", needed_for: "plugins in C" },
    Program { name: "wasm-ld-19", package: "lld-19", needed_for: "plugins in C" },
    Program { name: "/usr/lib/wasm32-wasi/libc.a", package: "wasi-libc", needed_for: "plugins in C" },
    Program {
        name: "/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a",
        package: "libclang-rt-19-dev-wasm32",
        needed_for: "plugins in C",
    },
    PYTHON,
    NPM,
];

/// Installs what is missing; yields the folders where the compilers are.
pub(crate) fn ensure_installed() -> Result<Vec<PathBuf>> {
    programs::ensure_installed(PROGRAMS)?;
    Ok(vec![python()?, javascript()?])
}

/// A second OCI client, with which the registry's tests exchange plugins. They find it beside the build output.
pub(crate) fn oras() -> Result<PathBuf> {
    programs::ensure_installed(&[PYTHON])?;
    let dir = programs::tools_dir().join(format!("oras-{ORAS}"));
    let package = format!("oras=={ORAS}");
    installed(&dir, "bin", "python3", &package, |dir| pip(dir, &package))
}

/// A real identity provider, at which the server's tests log in. They find it beside the build output.
pub(crate) fn oidc_provider() -> Result<PathBuf> {
    programs::ensure_installed(&[NPM])?;
    let dir = programs::tools_dir().join(format!("oidc-provider-{OIDC_PROVIDER}"));
    let package = format!("oidc-provider@{OIDC_PROVIDER}");
    installed(&dir, "node_modules/oidc-provider/lib", "index.js", &package, |dir| npm(dir, &package))
}

/// A real S3 server with Object Lock, to which the server's tests copy the ledger. They find it beside the build output.
pub(crate) fn localstack() -> Result<PathBuf> {
    let dir = programs::tools_dir().join(format!("localstack-{LOCALSTACK}"));
    let package = format!("localstack-core[base-runtime]=={LOCALSTACK}");
    // Later ones of these do not go with it.
    let pins = ["cbor2<5.7", "pyopenssl<25", "cryptography<45", "service_identity<25"];
    let python = python_3_13();
    installed(&dir, "bin", "python", &package, |dir| {
        let mut venv = Command::new(&python);
        venv.args(["-m", "venv"]).arg(dir);
        let mut pip = Command::new(dir.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", &package]).args(pins);
        vec![venv, pip]
    })
}

/// Stellar's own library, with which the server's tests read the transactions that anchor the ledger. They find it beside the build
/// output.
pub(crate) fn stellar_sdk() -> Result<PathBuf> {
    programs::ensure_installed(&[PYTHON])?;
    let dir = programs::tools_dir().join(format!("stellar-sdk-{STELLAR_SDK}"));
    let package = format!("stellar-sdk=={STELLAR_SDK}");
    installed(&dir, "bin", "python3", &package, |dir| pip(dir, &package))
}

/// LocalStack needs a Python that Debian 12 has not: pyenv's, when that is there.
fn python_3_13() -> PathBuf {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let versions = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok()).into_iter().flatten();
    let found = versions
        .flatten()
        .map(|version| version.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("3.13.")));
    found.map_or_else(|| PathBuf::from("python3.13"), |path| path.join("bin/python3.13"))
}

fn pip(dir: &Path, package: &str) -> Vec<Command> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(dir);
    let mut pip = Command::new(dir.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", package]);
    vec![venv, pip]
}

fn python() -> Result<PathBuf> {
    let dir = programs::tools_dir().join(format!("componentize-py-{COMPONENTIZE_PY}"));
    let package = format!("componentize-py=={COMPONENTIZE_PY}");
    installed(&dir, "bin", "componentize-py", &package, |dir| pip(dir, &package))
}

fn javascript() -> Result<PathBuf> {
    let dir = programs::tools_dir().join(format!("componentize-qjs-{COMPONENTIZE_QJS}"));
    let package = format!("componentize-qjs@{COMPONENTIZE_QJS}");
    installed(&dir, "node_modules/.bin", "componentize-qjs", &package, |dir| npm(dir, &package))
}

fn npm(dir: &Path, package: &str) -> Vec<Command> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--save-exact", "--prefix"]);
    npm.arg(dir).arg(package);
    vec![npm]
}

/// The folder `bin` of `dir` with the program in it. A build that failed half-way is begun anew.
fn installed(
    dir: &Path,
    bin: &str,
    program: &str,
    package: &str,
    commands: impl Fn(&Path) -> Vec<Command>,
) -> Result<PathBuf> {
    let bin = dir.join(bin);
    let done = dir.join("installed");
    if done.exists() && bin.join(program).exists() {
        return Ok(bin);
    }
    println!("installing {package}; this happens once");
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot empty `{}`", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    for mut command in commands(dir) {
        let what = command.get_program().to_string_lossy().into_owned();
        let status =
            command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{what}`"))?;
        ensure!(
            status.success(),
            "`{what}` cannot install {package}, which the tests need; \
             the lines above say why: is its registry within reach?"
        );
    }
    ensure!(bin.join(program).exists(), "{package} brought no `{program}`");
    std::fs::write(&done, "")?;
    Ok(bin)
}
