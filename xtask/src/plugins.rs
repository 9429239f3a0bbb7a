//! `cargo xtask plugins`: every plugin as a wasm component.

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use interlock_toolchain::componentize;
use interlock_toolchain::rust::TARGET;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use wit_component::DecodedWasm;

use crate::{examples, toolchain, workspace};

/// What `cargo xtask plugins` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the components go [default: `interlock-plugins` in the cargo target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also build the examples in Python, JavaScript and C, into `interlock-examples` in the cargo target folder
    #[arg(long)]
    examples: bool,
}

/// A component, ready to install.
pub(crate) struct BuiltPlugin {
    /// The component: `…/canary.wasm`.
    pub(crate) path: PathBuf,
    /// `sha256:<hex>` of the component.
    pub(crate) digest: String,
    /// Size of the component.
    pub(crate) size_bytes: u64,
    /// The folder of its crate.
    pub(crate) folder: PathBuf,
}

impl BuiltPlugin {
    /// What it is called: `canary`.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        self.path.file_stem().unwrap_or_default().to_string_lossy()
    }
}

/// Builds all plugins and prints a line for each: name, size in bytes, digest.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    for plugin in build_all(arguments.out.as_deref())? {
        println!("{:<20} {:>8} {}", plugin.name(), plugin.size_bytes, plugin.digest);
    }
    if arguments.examples {
        for path in examples::build_all()? {
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// Builds the plugins of `plugins/` and `examples/plugins/` as components into `out`.
pub(crate) fn build_all(out: Option<&Path>) -> Result<Vec<BuiltPlugin>> {
    let out = out.map_or_else(|| workspace::target_dir().join("interlock-plugins"), Path::to_path_buf);
    fs::create_dir_all(&out).with_context(|| format!("cannot create `{}`", out.display()))?;
    let crates = crates()?;
    let modules = compile(&crates)?;
    crates.iter().map(|plugin| install(plugin, &modules, &out)).collect()
}

/// A crate of the plugin workspace that yields a wasm module.
struct PluginCrate {
    /// Its package without what all are called.
    name: String,
    folder: PathBuf,
    package: String,
    library: String,
}

/// The workspace members that are dynamic libraries: the plugins, but not the SDK.
fn crates() -> Result<Vec<PluginCrate>> {
    let output = workspace::cargo("plugins")
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut crates: Vec<PluginCrate> = list(&metadata["packages"])
        .filter_map(|package| {
            let library = list(&package["targets"])
                .find(|target| list(&target["kind"]).any(|kind| kind == "cdylib"))?["name"]
                .as_str()?;
            let folder = Path::new(package["manifest_path"].as_str()?).parent()?.to_owned();
            let package = package["name"].as_str()?.to_owned();
            Some(PluginCrate {
                name: package.strip_prefix("interlock-plugin-").unwrap_or(&package).to_owned(),
                folder,
                package,
                library: library.replace('-', "_"),
            })
        })
        .collect();
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Compiles `crates` to core modules; returns the folder that holds them.
fn compile(crates: &[PluginCrate]) -> Result<PathBuf> {
    // A folder of its own: cargo locks a target folder while it builds, and this build runs beside native ones.
    let target_dir = workspace::target_dir().join("wasm");
    let mut build = workspace::cargo("plugins");
    build.args(["build", "--quiet", "--release"]).env("CARGO_TARGET_DIR", &target_dir);
    toolchain::find_or_install()?.configure(&mut build, &workspace::root());
    for plugin in crates {
        build.args(["--package", &plugin.package]);
    }
    let status = build.status().context("cannot start cargo")?;
    ensure!(status.success(), "the plugins do not compile; see above");
    Ok(target_dir.join(TARGET).join("release"))
}

/// Makes a component of a module, unless `out` already holds the one of this very module.
fn install(plugin: &PluginCrate, modules: &Path, out: &Path) -> Result<BuiltPlugin> {
    let module = modules.join(&plugin.library).with_extension("wasm");
    let path = out.join(&plugin.name).with_extension("wasm");
    let built_at = fs::metadata(&module)
        .and_then(|metadata| metadata.modified())
        .with_context(|| format!("cargo left no module at `{}`", module.display()))?;

    // The component carries the module's time, so a module that was swapped for an older one counts as changed too.
    let unchanged =
        fs::metadata(&path).and_then(|metadata| metadata.modified()).is_ok_and(|at| at == built_at);
    let component = if unchanged {
        fs::read(&path)?
    } else {
        let component = encode(&fs::read(&module)?).with_context(|| format!("plugin `{}`", plugin.name))?;
        // Renamed into place: a server or a test may be reading the folder.
        let unfinished = path.with_extension("wasm.part");
        fs::write(&unfinished, &component)?;
        File::options().write(true).open(&unfinished)?.set_modified(built_at)?;
        fs::rename(&unfinished, &path)?;
        component
    };
    let folder = plugin.folder.clone();
    Ok(BuiltPlugin { digest: digest(&component), size_bytes: component.len() as u64, path, folder })
}

/// The component of a core module, if it is a plugin: it imports nothing but what Interlock provides, and exports what
/// one of the worlds asks for.
fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let component = componentize(module)?;
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&component)? else {
        bail!("the encoder made no component");
    };
    let world = &resolve.worlds[world];
    for import in world.imports.keys().map(|key| resolve.name_world_key(key)) {
        ensure!(
            import.starts_with("interlock:plugin/"),
            "imports `{import}`, which the host does not have; remove the dependency that needs it"
        );
    }
    let exports: Vec<String> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let exported =
        |name: &str| exports.iter().any(|export| export.starts_with(&format!("interlock:plugin/{name}@")));
    let worlds = ["gate", "health", "strategy"].into_iter().filter(|name| exported(name)).count();
    ensure!(
        exported("plugin") && worlds == 1,
        "exports no gate, health check or strategy, or several; write one with `#[gate]`, `#[health]` or `#[strategy]`"
    );
    Ok(component)
}

pub(crate) fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
