//! C: clang with wasi-libc makes a core module, of which `wit-component` makes a component. The bindings are generated
//! here, so that no further program has to be installed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_bindgen_core::Files;
use wit_parser::Resolve;

use crate::component::componentize;
use crate::error::ToolchainError;
use crate::language::Language;
use crate::program::{find, output, succeed};
use crate::project::Project;
use crate::read;

/// A machine with nothing but wasm's own instructions; what libc would ask of an operating system is never linked.
const TARGET: &str = "--target=wasm32-wasi";

/// Where wasi-sdk is, for whoever has it instead of Debian's packages.
const WASI_SDK: &str = "WASI_SDK_PATH";

const PACKAGES: &str = "clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";

pub(crate) fn build(project: &Project) -> Result<Vec<u8>, ToolchainError> {
    project.is_whole()?;
    let temporary = project.temporary()?;
    let compiler = compiler(temporary.path())?;
    let world = project.kind()?.world();
    let bindings = bindings(project, world, temporary.path())?;
    let out = temporary.path().join("plugin.wasm");
    let mut command = Command::new(compiler);
    // A reactor has no `main`. Paths of this machine stay out of the module, so that its digest does not depend on it.
    command.current_dir(&project.dir).args([TARGET, "-mexec-model=reactor", "-std=c23", "-Oz", "-flto"]);
    command.args(["-Wall", "-Wextra", "-Werror", "-Wl,--strip-all", "-fno-ident"]);
    command.arg("-I").arg(temporary.path());
    // A header stands beside its source.
    for folder in project.sources.iter().filter_map(|source| Path::new(source).parent()) {
        command.arg("-I").arg(Path::new(".").join(folder));
    }
    command.args(&project.sources).args(&bindings).arg("-o").arg(&out);
    succeed(&mut command, "clang")?;
    componentize(&read(out)?)
}

/// Writes the bindings of the world into `dir`; yields what has to be compiled and linked.
fn bindings(project: &Project, world: &str, dir: &Path) -> Result<Vec<PathBuf>, ToolchainError> {
    let unusable = |reason: String| ToolchainError::Wit { path: project.dir.join(&project.wit), reason };
    let mut resolve = Resolve::default();
    let (package, _) =
        resolve.push_path(project.dir.join(&project.wit)).map_err(|error| unusable(format!("{error:#}")))?;
    let world =
        resolve.select_world(&[package], Some(world)).map_err(|error| unusable(format!("{error:#}")))?;
    let mut files = Files::default();
    // The same names in all worlds, so that what reads JSON serves all of them.
    let options = wit_bindgen_c::Opts { rename_world: Some("plugin".to_owned()), ..Default::default() };
    options
        .build()
        .generate(&mut resolve, world, &mut files)
        .map_err(|error| unusable(format!("{error:#}")))?;
    let mut compiled = Vec::new();
    for (name, content) in files.iter() {
        let path = dir.join(name);
        fs::write(&path, content).map_err(|source| ToolchainError::File { path: path.clone(), source })?;
        if !name.ends_with(".h") {
            compiled.push(path);
        }
    }
    Ok(compiled)
}

/// The first clang that really compiles and links for wasm: many that cannot are called so.
fn compiler(dir: &Path) -> Result<PathBuf, ToolchainError> {
    let sdk: Vec<PathBuf> =
        env::var_os(WASI_SDK).map(|sdk: OsString| Path::new(&sdk).join("bin")).into_iter().collect();
    let probe = dir.join("probe.c");
    fs::write(&probe, "#include <stdlib.h>\nvoid *probe(int n) { return malloc(n); }\n")
        .map_err(|source| ToolchainError::File { path: probe.clone(), source })?;
    let works = |clang: &PathBuf| {
        let mut command = Command::new(clang);
        command.args([TARGET, "-mexec-model=reactor", "-o"]).arg(dir.join("probe.wasm")).arg(&probe);
        output(&mut command).is_ok_and(|output| output.status.success())
    };
    let names = ["clang-19", "clang"].into_iter().filter_map(|name| find(name, &sdk));
    names.into_iter().find(works).ok_or_else(|| ToolchainError::Missing {
        what: "a clang with a C library for WebAssembly".to_owned(),
        language: Language::C,
        commands: install().to_vec(),
    })
}

/// What to type: one or the other.
pub(crate) fn install() -> [String; 2] {
    [
        format!("apt-get install {PACKAGES}    # Debian, as root"),
        format!(
            "export {WASI_SDK}=/opt/wasi-sdk    # elsewhere: where wasi-sdk (clang 19 or newer) is unpacked"
        ),
    ]
}
