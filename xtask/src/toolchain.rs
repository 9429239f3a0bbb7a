//! Which Rust compiles the plugins: the one that is here, or one that is installed for it.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use interlock_toolchain::rust::{CHOICE, Compiler, DEBIAN_PACKAGES, TARGET, target_is_installed};

use crate::{programs, workspace};

/// How long adding the rustup target may take, so that a machine without a way out does not hang.
const ADD_SECS_MAX: u64 = 60;

/// The compiler that is here, otherwise the rustup target, otherwise Debian's packages.
pub(crate) fn find_or_install() -> Result<Compiler> {
    let root = workspace::root();
    let choice = std::env::var(CHOICE).ok();
    if let Some(other) = choice.as_deref().filter(|choice| !matches!(*choice, "rustup" | "debian")) {
        bail!("`{CHOICE}` is `{other}`; set it to `rustup` or `debian`, or unset it");
    }
    if let Ok(compiler) = Compiler::find(&root) {
        return Ok(compiler);
    }
    let added = choice.as_deref() != Some("debian") && add_target().is_ok();
    if !added && choice.as_deref() != Some("rustup") && programs::is_root() {
        programs::apt_get(&["update", "-qq"])?;
        programs::apt_get(&[&["install", "-qq", "--no-install-recommends"], &DEBIAN_PACKAGES[..]].concat())?;
    }
    Ok(Compiler::find(&root)?)
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
            let installed = status.success() && target_is_installed(&workspace::root())?;
            ensure!(installed, "rustup cannot add the target `{TARGET}`");
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
