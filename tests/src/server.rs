//! The server as a child process with a data folder of its own.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

/// Everything as usual, only faster.
const QUICK: &str = r#"
[rollout]
tick_ms = 100
lease_ms = 3000

[devices]
poll_ms = 1000

[[gates]]
plugin = "signature"

[[gates]]
plugin = "maintenance-window"
settings = { time_zone = "Europe/Berlin", windows = [] }

[[health]]
plugin = "thresholds"
settings = { window_secs = 3, min_samples = 3 }
"#;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The `interlock` program.
    pub program: PathBuf,
    /// The folder with the plugins.
    pub plugins: PathBuf,
    /// `interlock.toml`.
    pub config: String,
    /// The database; SQLite in the data folder when absent.
    pub store_url: Option<String>,
    /// Public keys (PEM) whose signatures on artifacts count.
    pub trusted_keys: Vec<String>,
}

impl Setup {
    /// A quick server on SQLite.
    pub fn quick(program: impl Into<PathBuf>, plugins: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            plugins: plugins.into(),
            config: QUICK.to_owned(),
            store_url: None,
            trusted_keys: Vec::new(),
        }
    }
}

/// A server, running or killed.
#[derive(Debug)]
pub struct Server {
    /// Where it answers; the same after a restart.
    pub url: String,
    /// Where it keeps everything.
    pub data: tempfile::TempDir,
    setup: Setup,
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts a server in a data folder of its own, and waits until it is ready.
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new().prefix("interlock-").tempdir()?;
        let trusted = data.path().join("trusted-keys");
        std::fs::create_dir_all(&trusted)?;
        for (number, pem) in setup.trusted_keys.iter().enumerate() {
            std::fs::write(trusted.join(format!("key-{number}.pem")), pem)?;
        }
        std::fs::write(data.path().join("interlock.toml"), &setup.config)?;
        let address = free_address()?;
        let child = spawn(&setup, data.path(), address)?;
        let mut server = Self { url: format!("http://{address}"), data, setup, address, child };
        server.ready().await?;
        Ok(server)
    }

    /// Starts it again at the same address over the same data, and waits until it is ready.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        self.child = spawn(&self.setup, self.data.path(), self.address)?;
        self.ready().await
    }

    /// `SIGKILL`: no goodbye, nothing flushed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            self.child.start_kill()?;
        }
        self.child.wait().await?;
        Ok(())
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server stopped with {status}:\n{}", self.log());
            }
            let answer = reqwest::get(format!("{}/ready", self.url)).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the server is not ready after a minute:\n{}", self.log())
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.data.path().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// The first key of the tenant is made on the machine itself, by the program.
    pub async fn first_key(&self, tenant: &str, name: &str) -> anyhow::Result<String> {
        let made = Command::new(&self.setup.program)
            .envs(store_variable(&self.setup))
            .args(["--tenant", tenant, "--output", "json", "key", "create", "--local", "--config"])
            .arg(self.data.path().join("interlock.toml"))
            .arg("--data-dir")
            .arg(self.data.path())
            .args(["--name", name, "--role", "administrator"])
            .args(["--scope", "read", "--scope", "write", "--scope", "admin"])
            .output()
            .await?;
        if !made.status.success() {
            bail!("no key was made: {}", String::from_utf8_lossy(&made.stderr));
        }
        let made: serde_json::Value = serde_json::from_slice(&made.stdout)?;
        made["key"].as_str().map(str::to_owned).context("the answer has no key")
    }

    /// Stops it as a service manager would.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id() {
            Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        }
        self.child.wait().await?;
        Ok(())
    }
}

fn spawn(setup: &Setup, data: &Path, address: SocketAddr) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("server.log"))?;
    Command::new(&setup.program)
        .arg("serve")
        .arg("--config")
        .arg(data.join("interlock.toml"))
        .arg("--data-dir")
        .arg(data)
        .arg("--plugins-dir")
        .arg(&setup.plugins)
        .args(["--listen", &address.to_string()])
        // A test asks faster than a person; what limits do is shown where they are tested.
        .env("INTERLOCK__HTTP__LIMITS__ENABLED", "false")
        .envs(store_variable(setup))
        .stdout(log.try_clone()?)
        .stderr(log)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start `{}`", setup.program.display()))
}

fn store_variable(setup: &Setup) -> Option<(&'static str, &String)> {
    setup.store_url.as_ref().map(|url| ("INTERLOCK__STORE__URL", url))
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
