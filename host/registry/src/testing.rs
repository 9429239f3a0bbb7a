//! A real registry for tests: Debian's `docker-registry`.

use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A registry with a port and a folder of its own, for as long as this lives.
#[derive(Debug)]
pub struct DockerRegistry {
    /// `127.0.0.1:PORT`, without TLS.
    pub host: String,
    child: Child,
    _dir: tempfile::TempDir,
}

impl DockerRegistry {
    /// Starts one and waits until it listens.
    ///
    /// # Errors
    /// When the program is not installed or does not start.
    pub fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = dir.path().join("registry.yml");
        let store = dir.path().join("store");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp: {{ addr: \"{address}\" }}\n",
            store.display()
        );
        std::fs::write(&file, text)?;
        let mut program = Command::new("docker-registry");
        program.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = program
            .spawn()
            .map_err(|error| Error::other(format!("install Debian's package `docker-registry`: {error}")))?;
        let mut server = Self { host: address.to_string(), child, _dir: dir };
        server.wait(address)?;
        Ok(server)
    }

    /// Ends it, as when the network is away.
    ///
    /// # Errors
    /// When the system cannot end it.
    pub fn stop(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    fn wait(&mut self, address: SocketAddr) -> Result<()> {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::other(format!("docker-registry stopped with {status}")));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Error::other("docker-registry does not listen"))
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // Nothing is left to be done about one that cannot be ended.
        let _ = self.stop();
    }
}
