//! `interlock plugin keygen|sign|verify|push|pull`

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use interlock_registry::{Publication, Reference, sidecar};
use interlock_sandbox::Place as Role;
use interlock_vault::envelope::{AuthorKey, Envelope, PluginStatement, Signers, Vouched, verify};
use serde_json::{Value, json};

use super::{look, look_at, place::Place};
use crate::{
    client::Failure,
    cmd::artifact::write_private,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The files' name.
    #[arg(default_value = "interlock-plugins")]
    name: PathBuf,
}

impl Keygen {
    pub(super) fn run(self, format: Format) -> Result<Outcome, Failure> {
        let key = AuthorKey::generate().map_err(Failure::local)?;
        let (private, public) = (self.name.with_extension("key.pem"), self.name.with_extension("pem"));
        for file in [&private, &public] {
            if file.exists() {
                return Err(Failure::Usage(format!(
                    "`{}` exists already; choose another name",
                    file.display()
                )));
            }
        }
        write_private(&private, &key.to_pkcs8_pem().map_err(Failure::local)?)
            .map_err(|error| Failure::file(&private, &error))?;
        fs::write(&public, key.public_pem()).map_err(|error| Failure::file(&public, &error))?;
        let made = json!({ "key_id": key.key_id(), "private": private, "public": public });
        let fields = [("key id", "/key_id"), ("private", "/private"), ("public", "/public")];
        output::record(&made, &fields, format)?;
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The component.
    file: PathBuf,
    /// The file with the private Ed25519 key (PKCS#8 PEM).
    // A text like the API key that `--key` is elsewhere: clap keeps the two in one place.
    #[arg(long, value_name = "KEY.pem")]
    key: String,
}

impl Sign {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let file = Path::new(&self.key);
        let text = fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
        let key = AuthorKey::from_pkcs8_pem(&text).map_err(Failure::local)?;
        let looked = look(&self.file).await?;
        let plugin = looked.examination.plugin.map_err(|error| {
            let file = self.file.display();
            Failure::Refused(format!(
                "`{file}` is no plugin: {error}; `interlock plugin check {file}` says more"
            ))
        })?;
        let about = plugin.description();
        let statement = PluginStatement {
            v: 1,
            name: about.name.clone(),
            version: about.version.clone(),
            kind: plugin.kind().to_string(),
            digest: plugin.digest(),
        };
        let file = sidecar(&self.file);
        // Signatures over another component are worth nothing for this one.
        let earlier =
            read_envelope(&file)?.filter(|envelope| envelope.statement().as_ref() == Ok(&statement));
        let mut envelope = match earlier {
            Some(envelope) => envelope,
            None => Envelope::new(&statement).map_err(Failure::local)?,
        };
        envelope.sign(&key).map_err(Failure::local)?;
        let json = envelope.to_json().map_err(Failure::local)?;
        replace(&file, &json).map_err(|error| Failure::file(&file, &error))?;
        let ids: Vec<&str> = envelope.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
        let made = json!({
            "envelope": file, "statement": statement, "digest": statement.digest, "key_id": key.key_id(), "signatures": ids,
        });
        let fields = [
            ("plugin", "/statement/name"),
            ("version", "/statement/version"),
            ("plugin digest", "/digest"),
            ("signed by", "/signatures"),
            ("envelope", "/envelope"),
        ];
        output::record(&made, &fields, format)?;
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A component, or where it is published.
    #[arg(value_name = "FILE|REFERENCE")]
    plugin: String,
    /// The folder with the public keys whose signatures count (`*.pem`, and `revoked`).
    #[arg(long, value_name = "DIR")]
    trusted: PathBuf,
    /// How many of them must have signed. A key counts once, however often it signed and under however many names it is
    /// trusted.
    #[arg(long, value_name = "N", default_value_t = 1)]
    signers_min: usize,
    #[command(flatten)]
    place: Place,
}

impl Verify {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let trusted = Signers::load_dir(&self.trusted).map_err(|error| Failure::Usage(with_cause(&error)))?;
        let pulled = self.place.fetch(&self.plugin).await?;
        let mut vouched = verify(&pulled.envelopes, pulled.digest, &trusted);
        // What nobody vouches for is not even compiled.
        let claims = match &vouched.statement {
            Some(statement) => claims(&pulled.wasm, statement).await?,
            None => None,
        };
        vouched.refused.extend(claims.clone());
        let holds = vouched.signers.len() >= self.signers_min && claims.is_none();
        let named = |id: &str, name: &str| json!({ "key_id": id, "name": name });
        let missing: Vec<Value> = trusted
            .keys()
            .filter(|(id, _)| !vouched.signers.contains_key(*id))
            .map(|(id, name)| named(id, name))
            .collect();
        let signers: Vec<Value> = vouched.signers.iter().map(|(id, name)| named(id, name)).collect();
        let body = json!({
            "plugin": self.plugin,
            "digest": pulled.digest,
            "manifest_digest": pulled.manifest_digest,
            "statement": vouched.statement,
            "signers": signers,
            "signers_min": self.signers_min,
            "missing": missing,
            "refused": vouched.refused,
            "verified": holds,
        });
        if format == Format::Table {
            print_verdict(&body, &vouched, &trusted, self.signers_min, holds);
        } else {
            output::value(&body, format)?;
        }
        Ok(if holds { Outcome::Done } else { Outcome::Refused })
    }
}

fn print_verdict(body: &Value, vouched: &Vouched, trusted: &Signers, signers_min: usize, holds: bool) {
    let fields = [
        ("plugin", "/statement/name"),
        ("version", "/statement/version"),
        ("plugin digest", "/digest"),
        ("manifest digest", "/manifest_digest"),
    ];
    say!("{}", output::lines(body, &fields));
    for (id, name) in &vouched.signers {
        sayln!("signed by `{name}` ({id})");
    }
    for (id, name) in trusted.keys().filter(|(id, _)| !vouched.signers.contains_key(*id)) {
        sayln!("not signed by `{name}` ({id})");
    }
    for reason in &vouched.refused {
        sayln!("does not count: {reason}");
    }
    let found = vouched.signers.len();
    if holds {
        sayln!("verified: {found} of the trusted keys signed, {signers_min} needed");
    } else if found < signers_min {
        sayln!(
            "refused: {found} of the trusted keys signed, {signers_min} needed; have it signed with `interlock plugin sign`"
        );
    } else {
        sayln!("refused: what was signed is not what the component says of itself");
    }
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The component; its signatures are taken from `FILE.dsse.json` beside it.
    file: PathBuf,
    /// Where to: `HOST/REPOSITORY:TAG` or `dir:PATH/NAME`.
    reference: String,
    #[command(flatten)]
    place: Place,
}

impl Push {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let reference: Reference = self.reference.parse().map_err(Failure::local)?;
        let looked = look(&self.file).await?;
        let parts = looked.examination.parts;
        let names = |roles: [Role; 2]| {
            let names = parts.iter().filter(|part| roles.contains(&part.place));
            names.map(|part| part.name.clone()).collect::<Vec<_>>()
        };
        let (imports, exports) = (names([Role::Import, Role::StandIn]), names([Role::Export, Role::Extra]));
        let plugin = looked.examination.plugin.map_err(|error| {
            let file = self.file.display();
            Failure::Refused(format!(
                "`{file}` is no plugin: {error}; `interlock plugin check {file}` says more"
            ))
        })?;
        let envelope = read_envelope(&sidecar(&self.file))?;
        if let Some(envelope) = &envelope {
            let signed = envelope.statement().map_err(Failure::local)?.digest;
            if signed != plugin.digest() {
                return Err(Failure::Refused(format!(
                    "`{}` is about component `{signed}` and not about `{}`: sign it again with `interlock plugin sign`",
                    sidecar(&self.file).display(),
                    plugin.digest()
                )));
            }
        }
        let about = plugin.description();
        let publication = Publication {
            wasm: looked.wasm,
            name: about.name.clone(),
            version: about.version.clone(),
            imports,
            exports,
            envelope,
        };
        let registry = self.place.registry(looked.limits.component_bytes_max)?;
        let pushed = registry.push(&reference, &publication).await.map_err(Failure::local)?;
        let signatures = publication.envelope.map_or(0, |envelope| envelope.signatures.len());
        let propose = format!("interlock plugin activate {} --environment ENVIRONMENT", pushed.pinned);
        let body = json!({
            "plugin": publication.name,
            "version": publication.version,
            "plugin_digest": pushed.digest,
            "manifest_digest": pushed.manifest_digest,
            "signatures": signatures,
            "reference": pushed.pinned.to_string(),
            "propose": propose,
        });
        let fields = [
            ("plugin", "/plugin"),
            ("version", "/version"),
            ("plugin digest", "/plugin_digest"),
            ("manifest digest", "/manifest_digest"),
            ("signatures", "/signatures"),
            ("reference", "/reference"),
            ("propose", "/propose"),
        ];
        output::record(&body, &fields, format)?;
        if signatures == 0 {
            eprintln!("interlock: nobody signed it; a server refuses it unless its operator allows that");
        }
        Ok(Outcome::Done)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@sha256:…` (manifest digest) or `dir:PATH/NAME[@sha256:…]` (plugin digest).
    reference: String,
    /// Where to; `NAME.wasm` here when absent. Its signatures go beside it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Pull {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let parsed: Reference = self.reference.parse().map_err(Failure::local)?;
        let pulled = self.place.fetch(&self.reference).await?;
        let out = self.out.unwrap_or_else(|| PathBuf::from(default_name(&parsed)));
        let envelope = merged(pulled.envelopes)?;
        let beside = sidecar(&out);
        // The envelope first: a component is never there without those who vouch for it, nor with another one's.
        match &envelope {
            Some(envelope) => {
                let json = envelope.to_json().map_err(Failure::local)?;
                replace(&beside, &json).map_err(|error| Failure::file(&beside, &error))?;
            }
            None if beside.exists() => {
                fs::remove_file(&beside).map_err(|error| Failure::file(&beside, &error))?;
            }
            None => {}
        }
        replace(&out, &pulled.wasm).map_err(|error| Failure::file(&out, &error))?;
        let body = json!({
            "file": out,
            "plugin_digest": pulled.digest,
            "manifest_digest": pulled.manifest_digest,
            "signatures": envelope.map_or(0, |envelope| envelope.signatures.len()),
        });
        let fields = [
            ("file", "/file"),
            ("plugin digest", "/plugin_digest"),
            ("manifest digest", "/manifest_digest"),
            ("signatures", "/signatures"),
        ];
        output::record(&body, &fields, format)?;
        Ok(Outcome::Done)
    }
}

/// Why the component is not what was signed; nothing when it is.
async fn claims(wasm: &[u8], statement: &PluginStatement) -> Result<Option<String>, Failure> {
    let plugin = match look_at(wasm.to_vec()).await?.examination.plugin {
        Ok(plugin) => plugin,
        Err(error) => return Ok(Some(format!("what was signed is no plugin: {error}"))),
    };
    let about = plugin.description();
    let same = (&about.name, &about.version, plugin.kind().to_string())
        == (&statement.name, &statement.version, statement.kind.clone());
    Ok((!same).then(|| {
        format!(
            "`{}` {} was signed but the component says that it is `{}` {}",
            statement.name, statement.version, about.name, about.version
        )
    }))
}

/// One envelope with the signatures of all that say the same, as a file keeps them.
fn merged(envelopes: Vec<Envelope>) -> Result<Option<Envelope>, Failure> {
    let mut envelopes = envelopes.into_iter();
    let Some(mut first) = envelopes.next() else { return Ok(None) };
    for envelope in envelopes {
        if (&envelope.payload, &envelope.payload_type) != (&first.payload, &first.payload_type) {
            return Err(Failure::Refused(
                "the signatures are about different statements, which one file cannot keep: `interlock plugin verify` \
                 says which count"
                    .to_owned(),
            ));
        }
        for signature in envelope.signatures {
            if !first.signatures.contains(&signature) {
                first.signatures.push(signature);
            }
        }
    }
    Ok(Some(first))
}

pub(super) fn read_envelope(file: &Path) -> Result<Option<Envelope>, Failure> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file(file, &error)),
    };
    let envelope = Envelope::from_json(&text);
    envelope.map(Some).map_err(|error| Failure::Usage(format!("`{}`: {error}", file.display())))
}

/// `size-limit.wasm` for `registry.example/plugins/size-limit:1`.
fn default_name(reference: &Reference) -> String {
    let name = match reference {
        Reference::Oci { repository, .. } => repository.rsplit('/').next().unwrap_or_default().to_owned(),
        Reference::Folder { file, .. } => {
            return file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        }
        _ => "plugin".to_owned(),
    };
    format!("{name}.wasm")
}

/// Whole or not at all.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".new");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, file)
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
