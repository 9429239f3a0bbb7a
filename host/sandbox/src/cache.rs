//! Compiled components on disk. A file that claims to be one is arbitrary native code, so each has a MAC next to it,
//! and without a good MAC it is never loaded. Whatever goes wrong here costs a compilation and nothing else.

use std::fs::{self, File};
use std::hash::Hash;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::{constant_time, hmac, rand};
use interlock_ledger::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::{InstallError, Limits, SandboxError, compiler};

const KEY_FILE: &str = "cache.key";
const KEY_BYTES: usize = 32;
/// What a MAC of ours is about, so that the key signs nothing else by accident.
const MAC_LABEL: &[u8] = b"interlock compiled component v1\n";

/// A directory of compiled components that only this installation can add to.
pub(crate) struct Cache {
    dir: PathBuf,
    key: hmac::Key,
    entries_max: usize,
}

impl Cache {
    /// Opens or makes the directory (0700) and its key (0600).
    pub(crate) fn open(dir: &Path, entries_max: u32) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::Cache { path: dir.display().to_string(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let key = key(dir).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), key, entries_max: entries_max as usize })
    }

    /// The compiled form of this component for this engine, if it is here and untouched.
    pub(crate) fn load(&self, engine: &Engine, wasm: &Digest) -> Option<Component> {
        let name = name(engine, wasm);
        match self.read(&name) {
            Ok(Some(code)) => match code.revive(engine) {
                Ok(component) => return Some(component),
                Err(error) => {
                    tracing::warn!(%wasm, %error, "a compiled plugin does not load: compiling it again")
                }
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(%wasm, %error, "ignoring a compiled plugin: compiling it again"),
        }
        None
    }

    /// Keeps the compiled form for the next start.
    pub(crate) fn store(&self, engine: &Engine, wasm: &Digest, code: &Compiled) {
        let name = name(engine, wasm);
        let written = self.write(&name, &code.0).and_then(|()| self.prune());
        if let Err(error) = written {
            tracing::warn!(%wasm, %error, "cannot keep a compiled plugin: it will be compiled again at the next start");
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<Compiled>> {
        let code = match ours(&self.code_path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            code => code?,
        };
        let mac = ours(&self.mac_path(name))?;
        // The same bytes are checked and loaded: a file that is mapped could change in between.
        constant_time::verify_slices_are_equal(self.mac(name, &code).as_ref(), &mac)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, "its MAC does not fit"))?;
        Ok(Some(Compiled(code)))
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        // A crash in between leaves a pair that does not fit, which is the same as none.
        replace(&self.dir, &self.code_path(name), code)?;
        replace(&self.dir, &self.mac_path(name), self.mac(name, code).as_ref())
    }

    /// The name is part of it, so that a good file of another component does not pass for this one.
    fn mac(&self, name: &str, code: &[u8]) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(MAC_LABEL);
        mac.update(name.as_bytes());
        mac.update(code);
        mac.sign()
    }

    /// Drops the entries written longest ago.
    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::<(SystemTime, PathBuf)>::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "component") {
                entries.push((fs::metadata(&path)?.modified()?, path));
            }
        }
        entries.sort_unstable();
        let surplus = entries.len().saturating_sub(self.entries_max);
        for (_, path) in entries.iter().take(surplus) {
            fs::remove_file(path)?;
            fs::remove_file(path.with_extension("mac"))?;
        }
        Ok(())
    }

    fn code_path(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension("component")
    }

    fn mac_path(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension("mac")
    }
}

/// The name depends on the component and on everything that decides whether its code fits this engine.
fn name(engine: &Engine, wasm: &Digest) -> String {
    let mut hasher = Fingerprint(Sha256::new());
    hasher.0.update(wasm.as_bytes());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hex::encode(hasher.0.finalize())
}

/// A `std` hasher that keeps all the bits.
struct Fingerprint(Sha256);

impl std::hash::Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.clone().finalize().iter().take(8).fold(0, |all, byte| (all << 8) | u64::from(*byte))
    }
}

/// Native code that this installation compiled. There is no way to make one of bytes from elsewhere.
pub(crate) struct Compiled(Vec<u8>);

impl Compiled {
    /// Compiled in this process.
    pub(crate) fn here(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Self> {
        engine.precompile_component(wasm).map(Self)
    }

    /// Compiled in a child of this process, which alone could write into the pipe that it comes from.
    pub(crate) async fn by_child(program: &Path, limits: &Limits, wasm: &[u8]) -> Result<Self, InstallError> {
        compiler::compile(program, limits, wasm).await.map(Self)
    }

    /// Ready to be instantiated. Code of another wasmtime or configuration is an error.
    #[expect(
        unsafe_code,
        reason = "the one place where compiled code is loaded: it carries our MAC, or comes from our own child or compiler"
    )]
    pub(crate) fn revive(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` wants bytes that wasmtime's compiler made. A `Compiled` is made in three places: above, by
        // this process and by a child that is this program; and in `Cache::read`, which has just compared the MAC, made
        // with a key that only this user can read, and `Cache::store` puts a MAC on nothing but a `Compiled`.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

/// The key, made at first use. One that others can read is worth nothing, and is replaced together with what it signed.
fn key(dir: &Path) -> io::Result<hmac::Key> {
    let path = dir.join(KEY_FILE);
    for _ in 0..2 {
        if let Some(key) = read_key(&path)? {
            return Ok(hmac::Key::new(hmac::HMAC_SHA256, &key));
        }
        make_key(dir, &path)?;
    }
    Err(io::Error::new(ErrorKind::InvalidData, format!("`{KEY_FILE}` cannot be read back")))
}

fn read_key(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut key = Vec::with_capacity(KEY_BYTES);
    // One byte more than allowed is enough to see that it is too long.
    (&mut file).take(KEY_BYTES as u64 + 1).read_to_end(&mut key)?;
    if key.len() != KEY_BYTES || file.metadata()?.mode() & 0o077 != 0 {
        tracing::warn!("the key of the plugin cache was damaged or open to others: making a new one");
        fs::remove_file(path)?;
        return Ok(None);
    }
    Ok(Some(key))
}

fn make_key(dir: &Path, path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    rand::fill(&mut key).map_err(|_| io::Error::other("the operating system gave no randomness"))?;
    let staged = staged(dir, &key)?;
    // A hard link fails when another process was faster, and never shows half a key.
    match fs::hard_link(staged.path(), path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// The content of a file that nobody else could have written: no link, and closed to others. The MAC would hold without this;
/// but a cache that others can write to is not as it was made, and is not worth a closer look.
fn ours(path: &Path) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(ErrorKind::InvalidData, what.to_owned());
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(invalid("it is no plain file"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(invalid("it is open to others"));
    }
    fs::read(path)
}

fn replace(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    staged(dir, bytes)?.persist(path).map(drop).map_err(|e| e.error)
}

/// A complete file that disappears unless it is given a name. `tempfile` makes it 0600.
fn staged(dir: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_prefix_in(".staged-", dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}
