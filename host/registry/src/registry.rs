//! Push and pull.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use interlock_ledger::Digest;
use interlock_vault::envelope::Envelope;

use crate::cache::Cache;
use crate::folder;
use crate::http::{About, Http};
use crate::manifest::{CONFIG, Component, Descriptor, MANIFEST, Manifest, WASM, WasmConfig};
use crate::remote::{component, encode, parse};
use crate::{Credentials, Pin, Reference, RegistryError};

/// What a registry may be asked for, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The hosts that may be asked, as references write them; any when `None`.
    pub hosts: Option<BTreeSet<String>>,
    /// Those among them that are spoken to without TLS.
    pub plain_http: BTreeSet<String>,
    /// Names and passwords.
    pub credentials: Credentials,
    /// How long one push or pull may take, all requests together.
    pub timeout: Duration,
    /// The largest component.
    pub size_bytes_max: u64,
    /// The folders from which may be read; any when `None`.
    pub folders: Option<Vec<PathBuf>>,
    /// Where pulled components are kept; nowhere when `None`.
    pub cache_dir: Option<PathBuf>,
    /// How much of them is kept there.
    pub cache_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: None,
            plain_http: BTreeSet::new(),
            credentials: Credentials::default(),
            timeout: Duration::from_secs(30),
            size_bytes_max: 20 << 20,
            folders: None,
            cache_dir: None,
            cache_bytes_max: 1 << 30,
        }
    }
}

/// A component that came, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The component.
    pub wasm: Vec<u8>,
    /// SHA-256 of it: the plugin digest.
    pub digest: Digest,
    /// What the registry calls the artifact, when it came from one.
    pub manifest_digest: Option<Digest>,
    /// Not verified yet.
    pub envelopes: Vec<Envelope>,
    /// Why the registry was not asked for newer signatures, when it should have been.
    pub stale: Option<String>,
}

/// What is to be published.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// The component.
    pub wasm: Vec<u8>,
    /// What the plugin calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it imports and exports, for whoever reads the artifact's config.
    pub imports: Vec<String>,
    /// See `imports`.
    pub exports: Vec<String>,
    /// Who vouches for it.
    pub envelope: Option<Envelope>,
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// SHA-256 of the component: the plugin digest.
    pub digest: Digest,
    /// What the registry calls the artifact; nothing for a folder.
    pub manifest_digest: Option<Digest>,
    /// The same place, by digest.
    pub pinned: Reference,
}

/// OCI registries and folders, with a cache.
#[derive(Debug)]
pub struct Registry {
    options: Options,
    http: Http,
    cache: Option<Cache>,
}

impl Registry {
    /// Nothing is opened or asked yet.
    ///
    /// # Errors
    /// When the machine has no TLS roots.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let http = Http::new(options.plain_http.clone(), options.credentials.clone(), options.timeout)?;
        let cache = options.cache_dir.as_deref().map(Cache::new);
        Ok(Self { options, http, cache })
    }

    /// Brings a component with its envelopes. What is named by digest comes from the cache where it can; signatures are
    /// asked for anew, and the cached ones count while the registry is away.
    ///
    /// # Errors
    /// When anything is not as it should be: see [`RegistryError`].
    pub async fn pull(&self, reference: &Reference) -> Result<Pulled, RegistryError> {
        match reference {
            Reference::Oci { host, repository, pin } => {
                self.allowed_host(reference, host)?;
                let text = reference.to_string();
                let about = About { reference: &text, host, repository, actions: "pull" };
                self.pull_oci(&about, pin).await
            }
            Reference::Folder { file, digest } => self.pull_file(reference, file, *digest).await,
            Reference::Plugin(digest) => self.pull_plugin(reference, *digest).await,
        }
    }

    /// Brings a component by its plugin digest from the folders alone, whatever was pulled before.
    ///
    /// # Errors
    /// When no folder has it.
    pub async fn pull_from_folders(&self, digest: Digest) -> Result<Pulled, RegistryError> {
        for dir in self.options.folders.iter().flatten() {
            if let Some((file, wasm)) = folder::find(dir, digest, self.options.size_bytes_max).await {
                return self.keep(digest, &wasm, folder::envelopes(&file).await?).await;
            }
        }
        let what = "plugin in the folders";
        Err(RegistryError::NotFound { reference: Reference::Plugin(digest).to_string(), what })
    }

    /// Drops a component from the cache: what nobody who counts vouches for is not kept.
    pub async fn forget(&self, digest: Digest) {
        if let Some(cache) = &self.cache {
            cache.forget(digest).await;
        }
    }

    /// Keeps no more in the cache than may be: the oldest goes first, and what is `needed` last.
    pub async fn make_room(&self, needed: impl Fn(&Digest) -> bool) {
        if let Some(cache) = &self.cache {
            cache.make_room(self.options.cache_bytes_max, needed).await;
        }
    }

    /// Publishes a component with its envelope. Pushing the same again changes nothing.
    ///
    /// # Errors
    /// When the place is not a tag or a file, or does not take it.
    pub async fn push(
        &self,
        reference: &Reference,
        publication: &Publication,
    ) -> Result<Pushed, RegistryError> {
        let digest = Digest::of(&publication.wasm);
        let text = reference.to_string();
        let (limit, found) = (self.options.size_bytes_max, publication.wasm.len() as u64);
        if found > limit {
            return Err(RegistryError::TooLarge { reference: text, what: "component", found, limit });
        }
        match reference {
            Reference::Oci { host, repository, pin: Pin::Tag(tag) } => {
                self.allowed_host(reference, host)?;
                let about = About { reference: &text, host, repository, actions: "pull,push" };
                let manifest = self.in_time(&about, self.push_oci(&about, tag, publication)).await?;
                let pin = Pin::Manifest(manifest);
                let pinned = Reference::Oci { host: host.clone(), repository: repository.clone(), pin };
                Ok(Pushed { digest, manifest_digest: Some(manifest), pinned })
            }
            Reference::Folder { file, digest: None } => {
                self.allowed_folder(reference, file)?;
                // The envelope first: a component is never there without those who vouch for it.
                if let Some(envelope) = &publication.envelope {
                    let json = envelope.to_json();
                    let json = json.map_err(|source| RegistryError::Envelope { reference: text, source })?;
                    folder::write(&folder::sidecar(file), &json, 0o644).await?;
                }
                folder::write(file, &publication.wasm, 0o644).await?;
                let pinned = Reference::Folder { file: file.clone(), digest: Some(digest) };
                Ok(Pushed { digest, manifest_digest: None, pinned })
            }
            _ => Err(RegistryError::PushByDigest { reference: text }),
        }
    }

    async fn pull_oci(&self, about: &About<'_>, pin: &Pin) -> Result<Pulled, RegistryError> {
        if let Pin::Manifest(manifest) = pin
            && let Some((descriptor, wasm)) = self.cached(about, *manifest).await
        {
            let (envelopes, stale) = self.envelopes(about, *manifest, descriptor.digest).await?;
            return Ok(Pulled {
                wasm,
                digest: descriptor.digest,
                manifest_digest: Some(*manifest),
                envelopes,
                stale,
            });
        }
        self.in_time(about, self.fetch(about, pin)).await
    }

    /// From the registry, into the cache.
    async fn fetch(&self, about: &About<'_>, pin: &Pin) -> Result<Pulled, RegistryError> {
        let (name, expected) = match pin {
            Pin::Tag(tag) => (tag.clone(), None),
            Pin::Manifest(digest) => (digest.to_string(), Some(*digest)),
        };
        let found = self.http.manifest(about, &name, expected, MANIFEST).await?;
        let Some((bytes, manifest_digest)) = found else {
            return Err(RegistryError::NotFound { reference: about.reference.to_owned(), what: "artifact" });
        };
        let manifest: Manifest = parse(about, "manifest", &bytes)?;
        let layer = component(about, &manifest)?;
        let limit = self.options.size_bytes_max;
        let known = match &self.cache {
            Some(cache) if layer.size <= limit => cache.component(layer.digest, limit).await,
            _ => None,
        };
        let wasm = match known {
            Some(wasm) => wasm,
            None => self.http.blob(about, layer, limit, "component").await?,
        };
        let envelopes = self.http.envelopes(about, manifest_digest).await?;
        if let Some(cache) = &self.cache {
            cache.keep_component(layer.digest, &wasm).await?;
            cache.keep_manifest(manifest_digest, &bytes).await?;
            cache.keep_envelopes(layer.digest, &envelopes).await?;
        }
        let digest = layer.digest;
        Ok(Pulled { wasm, digest, manifest_digest: Some(manifest_digest), envelopes, stale: None })
    }

    /// What the cache has of an artifact, when it has all of it.
    async fn cached(&self, about: &About<'_>, manifest: Digest) -> Option<(Descriptor, Vec<u8>)> {
        let cache = self.cache.as_ref()?;
        let bytes = cache.manifest(manifest).await?;
        let parsed: Manifest = parse(about, "manifest", &bytes).ok()?;
        let layer = component(about, &parsed).ok()?;
        let wasm = cache.component(layer.digest, self.options.size_bytes_max).await?;
        Some((layer.clone(), wasm))
    }

    /// The envelopes of a component that the cache has: the registry's, or the cached ones while it is away.
    async fn envelopes(
        &self,
        about: &About<'_>,
        manifest: Digest,
        component: Digest,
    ) -> Result<(Vec<Envelope>, Option<String>), RegistryError> {
        match self.in_time(about, self.http.envelopes(about, manifest)).await {
            Ok(envelopes) => {
                if let Some(cache) = &self.cache {
                    cache.keep_envelopes(component, &envelopes).await?;
                }
                Ok((envelopes, None))
            }
            Err(error) => {
                let cached = match &self.cache {
                    Some(cache) => cache.envelopes(component).await,
                    None => Vec::new(),
                };
                Ok((cached, Some(error.to_string())))
            }
        }
    }

    async fn pull_file(
        &self,
        reference: &Reference,
        file: &Path,
        expected: Option<Digest>,
    ) -> Result<Pulled, RegistryError> {
        self.allowed_folder(reference, file)?;
        let reference = reference.to_string();
        let wasm = folder::read(file, self.options.size_bytes_max, "component").await?;
        let Some(wasm) = wasm else { return Err(RegistryError::NotFound { reference, what: "file" }) };
        let found = Digest::of(&wasm);
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(RegistryError::Lies { reference, what: "component", expected, found });
        }
        self.keep(found, &wasm, folder::envelopes(file).await?).await
    }

    async fn pull_plugin(&self, reference: &Reference, digest: Digest) -> Result<Pulled, RegistryError> {
        let limit = self.options.size_bytes_max;
        if let Some(cache) = &self.cache
            && let Some(wasm) = cache.component(digest, limit).await
        {
            let envelopes = cache.envelopes(digest).await;
            return Ok(Pulled { wasm, digest, manifest_digest: None, envelopes, stale: None });
        }
        for dir in self.options.folders.iter().flatten() {
            if let Some((file, wasm)) = folder::find(dir, digest, limit).await {
                return self.keep(digest, &wasm, folder::envelopes(&file).await?).await;
            }
        }
        let what = "plugin in the cache or the folders";
        Err(RegistryError::NotFound { reference: reference.to_string(), what })
    }

    async fn keep(
        &self,
        digest: Digest,
        wasm: &[u8],
        envelopes: Vec<Envelope>,
    ) -> Result<Pulled, RegistryError> {
        if let Some(cache) = &self.cache {
            cache.keep_component(digest, wasm).await?;
            cache.keep_envelopes(digest, &envelopes).await?;
        }
        Ok(Pulled { wasm: wasm.to_vec(), digest, manifest_digest: None, envelopes, stale: None })
    }

    async fn push_oci(
        &self,
        about: &About<'_>,
        tag: &str,
        publication: &Publication,
    ) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&publication.wasm);
        let config = encode(
            about,
            &WasmConfig {
                created: "1970-01-01T00:00:00Z",
                architecture: "wasm",
                os: "wasip2",
                layer_digests: [digest],
                component: Component {
                    exports: &publication.exports,
                    imports: &publication.imports,
                    target: None,
                },
            },
        )?;
        let annotation =
            |key: &str, value: &str| (format!("org.opencontainers.image.{key}"), value.to_owned());
        // Under this name `oras pull` writes the file.
        let mut layer = Descriptor::of(WASM, &publication.wasm);
        layer.annotations = [annotation("title", &format!("{}.wasm", publication.name))].into();
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(CONFIG, &config),
            layers: vec![layer],
            subject: None,
            annotations: [
                annotation("title", &publication.name),
                annotation("version", &publication.version),
            ]
            .into(),
        };
        self.http.push_blob(about, publication.wasm.clone().into()).await?;
        self.http.push_blob(about, config.into()).await?;
        let bytes = encode(about, &manifest)?;
        let subject = Descriptor::of(MANIFEST, &bytes);
        let manifest_digest = subject.digest;
        if let Some(envelope) = &publication.envelope {
            // By digest first, so that the tag never names what nobody vouches for yet.
            self.http.push_manifest(about, &manifest_digest.to_string(), MANIFEST, bytes.clone()).await?;
            self.http.push_envelope(about, subject, envelope).await?;
        }
        self.http.push_manifest(about, tag, MANIFEST, bytes).await?;
        Ok(manifest_digest)
    }

    /// One limit over all requests of one operation: a registry that answers each of them slowly is slow too.
    async fn in_time<T>(
        &self,
        about: &About<'_>,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let after = self.options.timeout;
        tokio::time::timeout(after, work).await.unwrap_or_else(|_| {
            Err(RegistryError::Slow { reference: about.reference.to_owned(), after_ms: after.as_millis() })
        })
    }

    fn allowed_host(&self, reference: &Reference, host: &str) -> Result<(), RegistryError> {
        match &self.options.hosts {
            Some(hosts) if !hosts.contains(host) => Err(RegistryError::NotAllowed {
                reference: reference.to_string(),
                place: host.to_owned(),
                key: "plugins.registry.hosts",
            }),
            _ => Ok(()),
        }
    }

    /// The file must lie in one of the folders itself, wherever links and dots lead.
    fn allowed_folder(&self, reference: &Reference, file: &Path) -> Result<(), RegistryError> {
        let Some(folders) = &self.options.folders else { return Ok(()) };
        let dir = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let real = |path: &Path| path.canonicalize().ok();
        let is_link = std::fs::symlink_metadata(file).is_ok_and(|file| file.is_symlink());
        let allowed = real(dir).is_some_and(|dir| folders.iter().any(|f| real(f).as_ref() == Some(&dir)));
        if allowed && !is_link {
            return Ok(());
        }
        Err(RegistryError::NotAllowed {
            reference: reference.to_string(),
            place: dir.display().to_string(),
            key: "plugins.registry.folders",
        })
    }
}
