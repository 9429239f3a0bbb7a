//! Python: `componentize-py` puts CPython, its library and the module into one component.

use std::path::PathBuf;
use std::process::Command;

use crate::error::ToolchainError;
use crate::language::Language;
use crate::program::{find, succeed};
use crate::project::Project;
use crate::read;

/// The release that the templates are made for.
pub const COMPONENTIZE_PY: &str = "0.25.1";

const PROGRAM: &str = "componentize-py";

pub(crate) fn build(project: &Project) -> Result<Vec<u8>, ToolchainError> {
    project.is_whole()?;
    let program = compiler(project)?;
    let temporary = project.temporary()?;
    let out = temporary.path().join("plugin.wasm");
    let source = project.source("the Python file with the plugin's classes")?;
    let mut command = Command::new(program);
    command.current_dir(&project.dir).arg("--quiet").arg("-d").arg(&project.wit);
    command.args(["-w", project.kind()?.world(), "componentize"]);
    if !project.wasi {
        command.arg("--stub-wasi");
    }
    command.arg(source.trim_end_matches(".py")).arg("-o").arg(&out);
    succeed(&mut command, PROGRAM)?;
    read(out)
}

fn compiler(project: &Project) -> Result<PathBuf, ToolchainError> {
    let mut folders = vec![project.dir.join(".venv/bin")];
    folders.extend_from_slice(&project.tools);
    find(PROGRAM, &folders).ok_or_else(|| ToolchainError::Missing {
        what: format!("`{PROGRAM}`"),
        language: Language::Python,
        commands: [vec![format!("cd {}", project.dir.display())], install().to_vec()].concat(),
    })
}

/// What to type in the plugin's folder.
pub(crate) fn install() -> [String; 2] {
    ["python3 -m venv .venv".to_owned(), format!(".venv/bin/pip install {PROGRAM}=={COMPONENTIZE_PY}")]
}
