//! Repositories as people make them: with the `git` and `ssh-keygen` programs, and commits that are really signed.

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

/// A repository with people who can sign.
#[derive(Debug)]
pub struct Repository {
    home: TempDir,
}

/// What went wrong, for a test to show.
pub type Done<T> = Result<T, io::Error>;

impl Repository {
    /// An empty one with the branch `main`.
    pub fn create() -> Done<Self> {
        let repository = Self { home: TempDir::new()? };
        fs::create_dir(repository.folder())?;
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        Ok(repository)
    }

    /// Where its files are.
    pub fn folder(&self) -> PathBuf {
        self.home.path().join("work")
    }

    /// A folder beside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The line of a person in a file of allowed signers; a key is made at first. `kind` is what `ssh-keygen -t` takes.
    pub fn signer(&self, name: &str, kind: &str) -> Done<String> {
        let key = self.beside(name);
        if !key.exists() {
            let path = key.display().to_string();
            run(Command::new("ssh-keygen").args(["-q", "-N", "", "-C", name, "-t", kind, "-f", &path]))?;
        }
        let public = fs::read_to_string(key.with_extension("pub"))?;
        Ok(format!("{name}@example.org {public}"))
    }

    /// Writes a file.
    pub fn write(&self, path: &str, content: &str) -> Done<()> {
        let path = self.folder().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(path, content)
    }

    /// Commits everything, signed by this person, or by nobody. Says the commit.
    pub fn commit(&self, signer: Option<&str>) -> Done<String> {
        self.git(&["add", "--all"])?;
        self.signed(signer, &["commit", "--quiet", "--allow-empty", "--message=edit"])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes a folder as git keeps it, whatever its entries are called: mode, name and object. Says its id.
    pub fn tree(&self, entries: &[(&str, &str, &str)]) -> Done<String> {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend(format!("{mode} {name}\0").into_bytes());
            let digits = (0..id.len()).step_by(2).filter_map(|at| id.get(at..at + 2));
            raw.extend(digits.filter_map(|digits| u8::from_str_radix(digits, 16).ok()));
        }
        let path = self.beside("raw-tree");
        fs::write(&path, raw)?;
        self.git(&["hash-object", "-t", "tree", "--literally", "-w", &path.display().to_string()])
    }

    /// Runs git in it with the key of this person at hand.
    pub fn signed(&self, signer: Option<&str>, arguments: &[&str]) -> Done<String> {
        let key = signer.map(|name| format!("user.signingKey={}", self.beside(name).display()));
        let mut all = vec!["-c", "gpg.format=ssh"];
        if let Some(key) = &key {
            all.extend(["-c", "commit.gpgSign=true", "-c", key]);
        }
        all.extend(arguments);
        self.git(&all)
    }

    /// Runs git in it; says what it printed.
    pub fn git(&self, arguments: &[&str]) -> Done<String> {
        let mut command = Command::new("git");
        command.current_dir(self.folder()).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").args(arguments);
        Ok(String::from_utf8_lossy(&run(&mut command)?.stdout).trim().to_owned())
    }
}

/// A server program on a port of this machine. It ends with whoever holds it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its port.
    pub port: u16,
}

impl Server {
    /// A port that nobody has just now.
    pub fn free_port() -> Done<u16> {
        Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
    }

    /// Starts the program, and comes back once it can be reached at its port.
    pub fn start(command: &mut Command, port: u16) -> Done<Self> {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Self { child, port };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn run(command: &mut Command) -> Done<Output> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(output);
    }
    Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
