//! The example plugins in four languages, and guests for tests that look around.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use interlock_toolchain::{COMPONENTIZE_PY, COMPONENTIZE_QJS, Language, Project, WIT, build};

use crate::plugins::digest;
use crate::{languages, workspace};

/// Components by name, and the folders that they are built from.
const EXAMPLES: [(&str, &str); 5] = [
    ("storage-fit-c", "examples/plugins/storage-fit/c"),
    ("storage-fit-javascript", "examples/plugins/storage-fit/javascript"),
    ("storage-fit-python", "examples/plugins/storage-fit/python"),
    ("looks-around-javascript", "host/workshop/tests/guests/javascript"),
    ("looks-around-python", "host/workshop/tests/guests/python"),
];

/// Builds what is not in Rust into `interlock-examples` in the cargo target folder.
pub(crate) fn build_all() -> Result<Vec<PathBuf>> {
    let out = workspace::target_dir().join("interlock-examples");
    fs::create_dir_all(&out).with_context(|| format!("cannot create `{}`", out.display()))?;
    let tools = languages::ensure_installed()?;
    EXAMPLES
        .into_iter()
        .map(|(name, dir)| {
            let project = Project::open(&workspace::root().join(dir))?.with_tools(&tools);
            let path = out.join(name).with_extension("wasm");
            one(&project, &path).with_context(|| format!("cannot build `{name}`"))?;
            Ok(path)
        })
        .collect()
}

/// Builds one, unless it was built from these very files: Python's compiler gives other bytes each time, and with them
/// another digest, which would have to be compiled again wherever it is used.
fn one(project: &Project, path: &Path) -> Result<()> {
    let stamp = path.with_extension("from");
    let from = sources(project)?;
    if path.exists() && fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == from) {
        return Ok(());
    }
    let component = build(project)?;
    // Renamed into place: a test may be reading the folder.
    let unfinished = path.with_extension("wasm.part");
    fs::write(&unfinished, component)?;
    fs::rename(&unfinished, path)?;
    Ok(fs::write(&stamp, from)?)
}

/// Digest of all that the component is made of.
fn sources(project: &Project) -> Result<String> {
    let compilers = match project.language {
        Language::Python => COMPONENTIZE_PY,
        Language::Javascript => COMPONENTIZE_QJS,
        Language::Rust | Language::C => "",
    };
    let mut all = format!("{compilers}\n{WIT}").into_bytes();
    let mut files = files(&project.dir)?;
    if project.language == Language::C {
        files.extend(self::files(&workspace::root().join("plugins/sdk-c"))?);
    }
    files.sort();
    for file in files {
        all.extend(file.to_string_lossy().bytes());
        all.extend(fs::read(&file)?);
    }
    Ok(digest(&all))
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    Ok(paths.into_iter().filter(|path| path.is_file()).collect())
}
