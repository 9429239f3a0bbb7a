//! `interlock artifact`

use std::path::{Path, PathBuf};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use clap::Subcommand;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use interlock_domain::{ArtifactStatement, Digest, SignedStatement};
use interlock_vault::SigningKey;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Artifact {
    /// Store an artifact. With --sign-with its statement is signed here; with --signed it was signed elsewhere.
    Push {
        /// The file.
        file: PathBuf,
        /// The artifact's name.
        #[arg(long)]
        name: String,
        /// Its version.
        #[arg(long)]
        version: String,
        /// firmware, model or application.
        #[arg(long, default_value = "firmware")]
        kind: String,
        /// Rises with every release.
        #[arg(long, default_value_t = 0)]
        release_counter: u64,
        /// A hardware model it is for; may be repeated. All models when absent.
        #[arg(long = "model")]
        models: Vec<String>,
        /// The private RSA-4096 key (PKCS#8 PEM) to sign with.
        #[arg(long, conflicts_with = "signed")]
        sign_with: Option<PathBuf>,
        /// A file with a statement that was signed before (JSON).
        #[arg(long)]
        signed: Option<PathBuf>,
    },
    /// List artifacts.
    List,
    /// Show an artifact and what its signature is worth today.
    Show {
        /// Its id.
        id: String,
    },
    /// Sign a statement about a file without pushing it, for a machine that has the key but no network.
    Sign {
        /// The file.
        file: PathBuf,
        /// The artifact's name.
        #[arg(long)]
        name: String,
        /// Its version.
        #[arg(long)]
        version: String,
        /// Rises with every release.
        #[arg(long, default_value_t = 0)]
        release_counter: u64,
        /// A hardware model it is for; may be repeated. All models when absent.
        #[arg(long = "model")]
        models: Vec<String>,
        /// The private RSA-4096 key (PKCS#8 PEM).
        #[arg(long)]
        sign_with: PathBuf,
    },
    /// Attach a document to an artifact, for gates to read. A newer one of the same kind takes its place.
    Attach {
        /// The artifact's name.
        name: String,
        /// Its version.
        version: String,
        /// sbom, provenance, release-notes, test-report, compatibility or configuration.
        kind: String,
        /// The document.
        file: PathBuf,
        /// What it is, such as application/vnd.cyclonedx+json; by the end of the file's name when absent.
        #[arg(long)]
        media_type: Option<String>,
    },
    /// List the documents of an artifact: the newest of each kind, which is what gates read.
    Documents {
        /// The artifact's name.
        name: String,
        /// Its version.
        version: String,
    },
    /// Make an RSA-4096 signing key: NAME.key.pem (private) and NAME.pem (public, for the server's trusted keys).
    Keygen {
        /// The files' name.
        #[arg(default_value = "interlock-signing")]
        name: PathBuf,
    },
}

impl Artifact {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Artifact::Push { file, name, version, kind, release_counter, models, sign_with, signed } => {
                let (digest, size_bytes) = hash(&file).await?;
                let signed = match (sign_with, signed) {
                    (Some(key), _) => {
                        Some(sign(&key, &name, &version, digest, size_bytes, release_counter, models)?)
                    }
                    (None, Some(file)) => Some(read_signed(&file)?),
                    (None, None) => None,
                };
                let about = About { name, version, kind, digest, size_bytes, signed };
                push(connection, &file, &about, format).await?;
            }
            Artifact::List => {
                let items = connection.client()?.list("/artifacts", 1_000).await?;
                let columns = [
                    ("ID", "/id"),
                    ("NAME", "/name"),
                    ("VERSION", "/version"),
                    ("BYTES", "/size_bytes"),
                    ("DIGEST", "/digest"),
                ];
                output::list(&items, &columns, format)?;
            }
            Artifact::Show { id } => {
                let body = connection.client()?.get(&format!("/artifacts/{id}")).await?.body;
                output::record(&body, FIELDS, format)?;
            }
            Artifact::Sign { file, name, version, release_counter, models, sign_with } => {
                let (digest, size_bytes) = hash(&file).await?;
                let signed = sign(&sign_with, &name, &version, digest, size_bytes, release_counter, models)?;
                output::value(&serde_json::to_value(signed).map_err(Failure::local)?, Format::Json)?;
            }
            Artifact::Attach { name, version, kind, file, media_type } => {
                let path = format!("{}/{}", documents(&name, &version)?, word("KIND", &kind)?);
                let content = tokio::fs::read(&file).await.map_err(|error| unreadable(&file, error))?;
                if content.is_empty() {
                    return Err(Failure::Usage(format!(
                        "`{}` is empty; name a file with the document in it",
                        file.display()
                    )));
                }
                let media_type = media_type.unwrap_or_else(|| media_type_of(&file).to_owned());
                let client = connection.client()?;
                let request =
                    client.request(Method::PUT, &path).header("Content-Type", media_type).body(content);
                output::record(&client.send(request).await?.body, DOCUMENT, format)?;
            }
            Artifact::Documents { name, version } => {
                let items = connection.client()?.list(&documents(&name, &version)?, 1_000).await?;
                let columns = [
                    ("KIND", "/kind"),
                    ("MEDIA TYPE", "/media_type"),
                    ("BYTES", "/size_bytes"),
                    ("DIGEST", "/digest"),
                ];
                output::list(&items, &columns, format)?;
            }
            Artifact::Keygen { name } => keygen(&name, format)?,
        }
        Ok(Outcome::Done)
    }
}

const FIELDS: &[output::Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("version", "/version"),
    ("digest", "/digest"),
    ("bytes", "/size_bytes"),
    ("signature", "/signature/outcome"),
    ("detail", "/signature/detail"),
];

const DOCUMENT: &[output::Column] = &[
    ("artifact", "/artifact"),
    ("kind", "/kind"),
    ("media type", "/media_type"),
    ("bytes", "/size_bytes"),
    ("digest", "/digest"),
];

/// Where an artifact's documents are.
fn documents(name: &str, version: &str) -> Result<String, Failure> {
    Ok(format!("/artifacts/{}/{}/documents", word("NAME", name)?, word("VERSION", version)?))
}

/// One part of a path, which cannot lead elsewhere.
fn word<'a>(argument: &str, text: &'a str) -> Result<&'a str, Failure> {
    let climbs = text.is_empty() || text == "." || text == "..";
    if climbs || text.contains(['/', '?', '#', '%', '\\']) {
        return Err(Failure::Usage(format!(
            "{argument} cannot be `{text}`: it is one word without `/`, `?`, `#` and `%`"
        )));
    }
    Ok(text)
}

/// What a file is by the end of its name.
fn media_type_of(file: &Path) -> &'static str {
    match file.extension().and_then(|end| end.to_str()) {
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("md") => "text/markdown",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

struct About {
    name: String,
    version: String,
    kind: String,
    digest: Digest,
    size_bytes: u64,
    signed: Option<SignedStatement>,
}

async fn push(connection: &Connection, file: &Path, about: &About, format: Format) -> Result<(), Failure> {
    let client = connection.client()?;
    let progress = progress(about.size_bytes, format);
    let shown = progress.clone();
    let content = tokio::fs::File::open(file).await.map_err(|error| unreadable(file, error))?;
    let stream = ReaderStream::with_capacity(content, 256 << 10)
        .inspect(move |chunk| shown.inc(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64)));
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut request = client
        .request(Method::PUT, &format!("/artifacts/{}/{}", about.name, about.version))
        .header("Content-Type", "application/octet-stream")
        .header("Content-Length", about.size_bytes)
        .header("Content-Digest", format!("sha-256=:{}:", STANDARD.encode(about.digest.as_bytes())))
        .header("Interlock-Kind", &about.kind)
        .header("Interlock-File-Name", file_name)
        .body(reqwest::Body::wrap_stream(stream));
    if let Some(signed) = &about.signed {
        let text = serde_json::to_vec(signed).map_err(Failure::local)?;
        request = request.header("Interlock-Signed", URL_SAFE_NO_PAD.encode(text));
    }
    let body = client.send(request).await?.body;
    progress.finish_and_clear();
    output::record(&body, FIELDS, format)
}

/// A bar for people, nothing for programs.
fn progress(bytes: u64, format: Format) -> ProgressBar {
    if format != Format::Table {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn hash(file: &Path) -> Result<(Digest, u64), Failure> {
    let mut content = tokio::fs::File::open(file).await.map_err(|error| unreadable(file, error))?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0u64, vec![0u8; 256 << 10]);
    loop {
        let read = content.read(&mut buffer).await.map_err(|error| unreadable(file, error))?;
        if read == 0 {
            let digest = format!("sha256:{}", hex::encode(hash.finalize()));
            return Ok((digest.parse().map_err(Failure::local)?, size));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

fn sign(
    key: &Path,
    name: &str,
    version: &str,
    digest: Digest,
    size_bytes: u64,
    release_counter: u64,
    models: Vec<String>,
) -> Result<SignedStatement, Failure> {
    let pem = std::fs::read_to_string(key).map_err(|error| unreadable(key, error))?;
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(Failure::local)?;
    let statement = ArtifactStatement {
        v: 1,
        name: name.to_owned(),
        version: version.to_owned(),
        digest,
        size_bytes,
        release_counter,
        models,
        not_before: None,
        expires_at: None,
    };
    key.sign(&statement).map_err(Failure::local)
}

fn read_signed(file: &Path) -> Result<SignedStatement, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("`{}` is no signed statement: {error}", file.display())))
}

fn keygen(name: &Path, format: Format) -> Result<(), Failure> {
    let key = SigningKey::generate().map_err(Failure::local)?;
    let (private, public) = (name.with_extension("key.pem"), name.with_extension("pem"));
    if private.exists() {
        return Err(Failure::Usage(format!("`{}` exists already; choose another name", private.display())));
    }
    write_private(&private, &key.to_pkcs8_pem().map_err(Failure::local)?)
        .map_err(|error| unreadable(&private, error))?;
    std::fs::write(&public, key.public_pem()).map_err(|error| unreadable(&public, error))?;
    let made = json!({ "key_id": key.key_id(), "private": private, "public": public });
    output::record(&made, &[("key id", "/key_id"), ("private", "/private"), ("public", "/public")], format)
}

/// Writes a file that only its owner may read, and that was not there before.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn unreadable(file: &Path, error: std::io::Error) -> Failure {
    Failure::file(file, &error)
}
