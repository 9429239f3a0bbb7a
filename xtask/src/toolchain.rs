//! Which Rust compiles the plugins.
//!
//! The rustup toolchain when it has the wasm target or can add it. Otherwise Debian's `rustc-web`, with the
//! standard library built from Debian's `rust-web-src` and linked by the rustup toolchain's own `rust-lld`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// What plugins are compiled for: no operating system, so that nothing can be imported by accident.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that forces a toolchain: `rustup` or `debian`.
const CHOICE: &str = "INTERLOCK_WASM_TOOLCHAIN";

/// How long adding the rustup target may take, so that a machine without a way out does not hang.
const ADD_SECS_MAX: u64 = 60;

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_STD: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// The first version that understands what the plugins are written in.
const DEBIAN_MINOR_MIN: u32 = 95;

/// A way to compile for [`TARGET`].
pub(crate) enum Toolchain {
    /// The toolchain that runs this program, with the target installed.
    Rustup,
    /// Debian's compiler and sources, and the linker of the rustup toolchain.
    Debian {
        /// The path of `rust-lld`.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The first toolchain that works, preferring what is installed over what has to be fetched.
    pub(crate) fn find() -> Result<Self> {
        match env::var(CHOICE).as_deref() {
            Ok("rustup") => return Self::rustup(),
            Ok("debian") => return Self::debian(),
            Ok(other) => bail!("`{CHOICE}` is `{other}`; set it to `rustup` or `debian`, or unset it"),
            Err(_) => {}
        }
        if target_is_installed()? {
            Ok(Self::Rustup)
        } else if debian_is_installed() {
            Self::debian()
        } else {
            Self::rustup().or_else(|_| Self::debian())
        }
    }

    /// Makes `cargo build` compile for [`TARGET`].
    pub(crate) fn configure(&self, cargo: &mut Command) {
        cargo.args(["--target", TARGET]);
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", remapped_paths());
        match self {
            Self::Rustup => {}
            Self::Debian { linker } => {
                cargo.arg("-Zbuild-std=std,panic_abort");
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            }
        }
    }

    fn rustup() -> Result<Self> {
        if !target_is_installed()? {
            add_target()?;
        }
        Ok(Self::Rustup)
    }

    fn debian() -> Result<Self> {
        if !debian_is_installed() {
            install_debian()?;
        }
        let linker = sysroot()?.join("lib/rustlib").join(host()?).join("bin/rust-lld");
        ensure!(linker.exists(), "no linker for wasm at `{}`; install Rust with rustup", linker.display());
        Ok(Self::Debian { linker })
    }
}

/// Flags that keep this machine's paths out of the modules, so that their digests do not depend on it.
fn remapped_paths() -> String {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let root = workspace::root();
    // `0x1f` is what cargo separates the flags with.
    format!(
        "--remap-path-prefix={}=/interlock\x1f--remap-path-prefix={}=/cargo",
        root.display(),
        cargo_home.display()
    )
}

fn target_is_installed() -> Result<bool> {
    Ok(sysroot()?.join("lib/rustlib").join(TARGET).join("lib").exists())
}

fn add_target() -> Result<()> {
    let mut rustup = Command::new("rustup")
        .args(["target", "add", TARGET])
        .env("RUSTUP_MAX_RETRIES", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start rustup")?;
    let deadline = Instant::now() + Duration::from_secs(ADD_SECS_MAX);
    loop {
        if let Some(status) = rustup.try_wait()? {
            ensure!(status.success() && target_is_installed()?, "rustup cannot add the target `{TARGET}`");
            return Ok(());
        }
        if Instant::now() > deadline {
            rustup.kill()?;
            rustup.wait()?;
            bail!("rustup could not add the target `{TARGET}` within {ADD_SECS_MAX} s");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// True when Debian's compiler is there and new enough, and the sources of its standard library too.
fn debian_is_installed() -> bool {
    let version = capture(DEBIAN_RUSTC, &["--version"]).unwrap_or_default();
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= DEBIAN_MINOR_MIN) && Path::new(DEBIAN_STD).exists()
}

fn install_debian() -> Result<()> {
    let packages = DEBIAN_PACKAGES.join(" ");
    let remedy =
        format!("run `rustup target add {TARGET}`, or as root `apt-get install {packages}`, and try again");
    let root = capture("id", &["-u"]).is_ok_and(|id| id == "0");
    ensure!(root, "no Rust here compiles for `{TARGET}`; {remedy}");
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends"]] {
        let packages = if arguments.contains(&"install") { &DEBIAN_PACKAGES[..] } else { &[] };
        let status = Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("-qq")
            .args(arguments)
            .args(packages)
            .stdout(Stdio::null())
            .status()
            .with_context(|| {
                format!("no Rust here compiles for `{TARGET}`, and there is no apt-get; {remedy}")
            })?;
        ensure!(status.success(), "apt-get {} failed; {remedy}", arguments[0]);
    }
    ensure!(debian_is_installed(), "Debian's {packages} are too old for these plugins; {remedy}");
    Ok(())
}

/// The sysroot of the rustup toolchain that runs this program.
fn sysroot() -> Result<PathBuf> {
    Ok(capture("rustc", &["--print", "sysroot"])?.into())
}

/// This machine as rustc names it: `x86_64-unknown-linux-gnu`.
fn host() -> Result<String> {
    let version = capture("rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not name its host")
}

fn capture(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace::root())
        .output()
        .with_context(|| format!("cannot start `{program}`"))?;
    ensure!(
        output.status.success(),
        "`{program}` failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
