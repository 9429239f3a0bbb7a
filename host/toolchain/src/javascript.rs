//! JavaScript: `componentize-qjs` puts QuickJS and the module into one component.

use std::path::PathBuf;
use std::process::Command;

use crate::error::ToolchainError;
use crate::language::Language;
use crate::program::{find, succeed};
use crate::project::Project;
use crate::read;

/// The release that the templates are made for.
pub const COMPONENTIZE_QJS: &str = "0.4.5";

const PROGRAM: &str = "componentize-qjs";

pub(crate) fn build(project: &Project) -> Result<Vec<u8>, ToolchainError> {
    project.is_whole()?;
    let program = compiler(project)?;
    let temporary = project.temporary()?;
    let out = temporary.path().join("plugin.wasm");
    let source = project.source("the JavaScript module with the plugin's exports")?;
    let mut command = Command::new(program);
    command.current_dir(&project.dir).arg("--wit").arg(&project.wit);
    // A call is one synchronous question, and what starts faster is asked faster.
    command.args(["--world", project.kind()?.world(), "--js", source, "--sync", "--opt-size", "--minify"]);
    if !project.wasi {
        command.arg("--stub-wasi");
    }
    command.arg("--output").arg(&out);
    succeed(&mut command, PROGRAM)?;
    read(out)
}

fn compiler(project: &Project) -> Result<PathBuf, ToolchainError> {
    let mut folders = vec![project.dir.join("node_modules/.bin")];
    folders.extend_from_slice(&project.tools);
    find(PROGRAM, &folders).ok_or_else(|| ToolchainError::Missing {
        what: format!("`{PROGRAM}`"),
        language: Language::Javascript,
        commands: vec![format!("cd {}", project.dir.display()), install()],
    })
}

/// What to type in the plugin's folder.
pub(crate) fn install() -> String {
    format!("npm install --save-dev --save-exact {PROGRAM}@{COMPONENTIZE_QJS}")
}
