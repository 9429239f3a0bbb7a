//! Programs that the commands need besides Rust: found, installed, or named in a clear message.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// A program of the system.
pub(crate) struct Program {
    /// What it is called, or where it is when it is not on the path.
    pub(crate) name: &'static str,
    /// Debian's package.
    pub(crate) package: &'static str,
    /// What needs it.
    pub(crate) needed_for: &'static str,
}

/// What the end-to-end tests talk to.
pub(crate) const FOR_TESTS: &[Program] = &[
    Program {
        name: "/usr/lib/postgresql/15/bin/initdb",
        package: "postgresql-15",
        needed_for: "the store's tests on PostgreSQL",
    },
    Program { name: "redis-server", package: "redis-server", needed_for: "the tests of several replicas" },
    Program {
        name: "docker-registry",
        package: "docker-registry",
        needed_for: "the tests of pushing and pulling plugins",
    },
    Program { name: "lighttpd", package: "lighttpd", needed_for: "the tests of policies from git over HTTP" },
    Program { name: "git", package: "git", needed_for: "the tests of policies from git" },
    Program {
        name: "/usr/sbin/sshd",
        package: "openssh-server",
        needed_for: "the tests of policies from git over SSH",
    },
    Program { name: "ssh-keygen", package: "openssh-client", needed_for: "the tests of signed commits" },
    Program {
        name: "swupdate",
        package: "swupdate",
        needed_for: "the device protocol's tests with a real client",
    },
    Program {
        name: "prometheus",
        package: "prometheus",
        needed_for: "the tests of evidence from a real Prometheus",
    },
    Program {
        name: "/usr/sbin/rsyslogd",
        package: "rsyslog",
        needed_for: "the tests of what a SIEM is told, over TCP",
    },
    Program {
        name: "/var/lib/dpkg/info/rsyslog-openssl.list",
        package: "rsyslog-openssl",
        needed_for: "the tests of what a SIEM is told, over TLS",
    },
    Program { name: "pdftotext", package: "poppler-utils", needed_for: "reading reports back" },
    Program { name: "chromium", package: "chromium", needed_for: "the tests of pages in a browser" },
    Program { name: "cvc5", package: "cvc5", needed_for: "the proofs about policy bundles" },
    Program {
        name: "faketime",
        package: "faketime",
        needed_for: "the tests that a plugin is the same on another day",
    },
    Program { name: "strace", package: "strace", needed_for: "the tests of disks that fail" },
    Program { name: "cpio", package: "cpio", needed_for: "making an update image for SWUpdate" },
    Program {
        name: "openssl",
        package: "openssl",
        needed_for: "signing an update image for SWUpdate, and the tests of timestamps",
    },
];

/// Makes sure that these programs are there: by Debian's packages when this is root, by asking otherwise.
pub(crate) fn ensure_installed(programs: &[Program]) -> Result<()> {
    let missing = || programs.iter().filter(|program| find(program.name).is_none()).collect::<Vec<_>>();
    let first = missing();
    if first.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = first.iter().map(|program| program.package).collect();
    if is_root() && find("apt-get").is_some() {
        println!("installing {}", packages.join(", "));
        apt_get(&["update", "-qq"])?;
        let mut install = vec!["install", "-qq", "--no-install-recommends"];
        install.extend(&packages);
        apt_get(&install)?;
    }
    let still = missing();
    if still.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = still
        .iter()
        .map(|program| {
            format!("  {} (Debian package `{}`), for {}", program.name, program.package, program.needed_for)
        })
        .collect();
    bail!("these programs are missing; install them and run this again:\n{}", each.join("\n"))
}

/// A cargo subcommand of this version, installed into the cache folder when it is nowhere else.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    if let Some(found) = find(name) {
        return Ok(found);
    }
    let root = tools_dir();
    let program = root.join("bin").join(name);
    if !program.exists() {
        println!("building {name} {version}; this happens once");
        let mut install = workspace::cargo(".");
        install
            .args(["install", "--quiet", "--locked", "--root"])
            .arg(&root)
            .arg(format!("{name}@{version}"));
        let status = install.status().with_context(|| format!("cannot install {name}"))?;
        ensure!(status.success(), "cannot install {name} {version}; install it by hand and run this again");
    }
    Ok(program)
}

/// Where built tools are kept: beside the build output.
pub(crate) fn tools_dir() -> PathBuf {
    let target = workspace::target_dir();
    target.parent().map_or_else(|| target.clone(), Path::to_path_buf).join("tools")
}

/// A program on the path, or at its place.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    // Debian keeps some programs where only root looks.
    let path = env::var_os("PATH").unwrap_or_default();
    let also = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(also).map(|dir| dir.join(name)).find(|path| path.is_file())
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

pub(crate) fn apt_get(arguments: &[&str]) -> Result<()> {
    let frontend: (&str, OsString) = ("DEBIAN_FRONTEND", "noninteractive".into());
    let status = Command::new("apt-get")
        .arg("-y")
        .args(arguments)
        .env(frontend.0, frontend.1)
        .stdout(Stdio::null())
        .status()
        .context("cannot run apt-get")?;
    ensure!(status.success(), "`apt-get {}` failed", arguments.join(" "));
    Ok(())
}
