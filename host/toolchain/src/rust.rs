//! Rust: which compiler, and a component of what it leaves.
//!
//! The rustup toolchain when it has the wasm target. Otherwise Debian's `rustc-web`, with the standard library built from
//! Debian's `rust-web-src` and linked by the rustup toolchain's own `rust-lld`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::component::componentize;
use crate::error::ToolchainError;
use crate::language::Language;
use crate::program::{capture, find, succeed};
use crate::project::Project;
use crate::read;

/// What plugins are compiled for: no operating system, so that nothing can be imported by accident.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that forces a toolchain: `rustup` or `debian`.
pub const CHOICE: &str = "INTERLOCK_WASM_TOOLCHAIN";

/// Debian's compiler, and the sources of its standard library.
pub const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_STD: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";
/// The first version that understands what the plugins are written in.
const DEBIAN_MINOR_MIN: u32 = 95;

/// A way to compile for [`TARGET`].
#[derive(Debug, Clone)]
pub enum Compiler {
    /// The toolchain that cargo uses anyway, with the target installed.
    Rustup,
    /// Debian's compiler and sources, and the linker of the rustup toolchain.
    Debian {
        /// The path of `rust-lld`.
        linker: PathBuf,
    },
}

impl Compiler {
    /// The compiler that is here, for a project in `dir`: it may name its own toolchain.
    ///
    /// # Errors
    /// Says what to install when there is none.
    pub fn find(dir: &Path) -> Result<Self, ToolchainError> {
        let forced = env::var(CHOICE).unwrap_or_default();
        if find("cargo", &[]).is_none() && env::var_os("CARGO").is_none() {
            return Err(missing("cargo"));
        }
        if forced != "debian" && target_is_installed(dir)? {
            Ok(Self::Rustup)
        } else if forced != "rustup" && debian_is_installed(dir) {
            Self::debian(dir)
        } else {
            Err(missing(&format!("a Rust that compiles for `{TARGET}`")))
        }
    }

    /// Makes `cargo build` compile for [`TARGET`]. The path `dir` of the sources stays out of the modules, so that their
    /// digests do not depend on it.
    pub fn configure(&self, cargo: &mut Command, dir: &Path) {
        cargo.args(["--target", TARGET]);
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", remapped_paths(dir));
        match self {
            Self::Rustup => {}
            Self::Debian { linker } => {
                cargo.arg("-Zbuild-std=std,panic_abort");
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            }
        }
    }

    fn debian(dir: &Path) -> Result<Self, ToolchainError> {
        let linker = sysroot(dir)?.join("lib/rustlib").join(host(dir)?).join("bin/rust-lld");
        if linker.exists() {
            Ok(Self::Debian { linker })
        } else {
            Err(missing("`rust-lld`, the linker for wasm"))
        }
    }
}

/// Whether the toolchain of `dir` compiles for [`TARGET`] by itself.
///
/// # Errors
/// When `rustc` cannot be asked.
pub fn target_is_installed(dir: &Path) -> Result<bool, ToolchainError> {
    Ok(sysroot(dir)?.join("lib/rustlib").join(TARGET).join("lib").exists())
}

/// True when Debian's compiler is there and new enough, and the sources of its standard library too.
#[must_use]
pub fn debian_is_installed(dir: &Path) -> bool {
    let version = capture(DEBIAN_RUSTC, &["--version"], dir).unwrap_or_default();
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= DEBIAN_MINOR_MIN) && Path::new(DEBIAN_STD).exists()
}

pub(crate) fn build(project: &Project) -> Result<Vec<u8>, ToolchainError> {
    let compiler = Compiler::find(&project.dir)?;
    let mut locate = cargo(&project.dir);
    locate.args(["locate-project", "--workspace", "--message-format=plain"]);
    let manifest = succeed(&mut locate, "cargo locate-project")?;
    let manifest = PathBuf::from(String::from_utf8_lossy(&manifest).trim());
    let mut cargo = cargo(&project.dir);
    cargo.args(["build", "--release", "--lib", "--message-format=json-render-diagnostics"]);
    compiler.configure(&mut cargo, manifest.parent().unwrap_or(&project.dir));
    let messages = succeed(&mut cargo, "cargo build")?;
    let module = module(&messages, &project.dir.join("Cargo.toml")).ok_or_else(|| ToolchainError::Component {
        reason: "cargo left no module: say `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in `Cargo.toml`"
            .to_owned(),
    })?;
    componentize(&read(module)?)
}

fn cargo(dir: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(dir);
    cargo
}

/// Where cargo says that it left the module of the package of this manifest.
fn module(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().map(Path::new) == Some(manifest))
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

fn missing(what: &str) -> ToolchainError {
    ToolchainError::Missing { what: what.to_owned(), language: Language::Rust, commands: install().to_vec() }
}

/// What to type: one or the other.
pub(crate) fn install() -> [String; 2] {
    [
        format!("rustup target add {TARGET}    # rustup itself: https://rustup.rs"),
        format!(
            "apt-get install {}    # instead of the target, on Debian, as root",
            DEBIAN_PACKAGES.join(" ")
        ),
    ]
}

fn remapped_paths(dir: &Path) -> String {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    // `0x1f` is what cargo separates the flags with.
    format!(
        "--remap-path-prefix={}=/interlock\x1f--remap-path-prefix={}=/cargo",
        dir.display(),
        cargo_home.display()
    )
}

/// The sysroot of the rustup toolchain that cargo uses in `dir`.
fn sysroot(dir: &Path) -> Result<PathBuf, ToolchainError> {
    Ok(capture("rustc", &["--print", "sysroot"], dir)?.into())
}

/// This machine as rustc names it: `x86_64-unknown-linux-gnu`.
fn host(dir: &Path) -> Result<String, ToolchainError> {
    let version = capture("rustc", &["-vV"], dir)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| missing("a rustc that names its host"))
}
