//! From a plugin's source to a component, in the four languages that have a template: Rust, Python, JavaScript and C.
//!
//! A [`Project`] is a folder with one of the files that say which language it is in. [`build`] finds the compiler, or says
//! command by command what to install, and yields the component's bytes. Whether a server would take them is not
//! judged here: that needs the sandbox, and this crate is light enough for `cargo xtask`.

mod c;
mod component;
mod error;
mod javascript;
mod language;
mod new;
mod program;
mod project;
mod python;
pub mod rust;
mod template;

use std::path::PathBuf;

pub use component::componentize;
pub use error::ToolchainError;
pub use javascript::COMPONENTIZE_QJS;
pub use language::{Kind, Language};
pub use new::new;
pub use project::Project;
pub use python::COMPONENTIZE_PY;

/// The contract between this program and its plugins.
pub const WIT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/interlock.wit"));

/// Builds a project.
///
/// # Errors
/// Says what is missing and how to install it, or what the compiler said.
pub fn build(project: &Project) -> Result<Vec<u8>, ToolchainError> {
    match project.language {
        Language::Rust => rust::build(project),
        Language::Python => python::build(project),
        Language::Javascript => javascript::build(project),
        Language::C => c::build(project),
    }
}

/// A file that was read, or why not.
fn read(path: PathBuf) -> Result<Vec<u8>, ToolchainError> {
    std::fs::read(&path).map_err(|source| ToolchainError::File { path, source })
}
