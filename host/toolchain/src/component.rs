//! A component of a core module, as Rust and C compilers leave one.

use wit_component::ComponentEncoder;

use crate::error::ToolchainError;

/// The component of a core module that carries its world in a custom section.
///
/// # Errors
/// When it imports what no world has, or lacks what its world asks for.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, ToolchainError> {
    let encoded =
        ComponentEncoder::default().validate(true).module(module).and_then(|encoder| encoder.encode());
    encoded.map_err(|error| ToolchainError::Component { reason: format!("{error:#}") })
}
