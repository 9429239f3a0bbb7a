//! Settings: the JSON that the operator wrote, as a typed and checked struct.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::{Fault, Json, SettingsProblem};

/// A settings struct. Implemented by [`macro@crate::settings`].
pub trait Settings: DeserializeOwned + JsonSchema {
    /// Checks what JSON Schema cannot express; an empty list means that the settings are good.
    ///
    /// Name a function with `#[settings(check = Settings::check)]` to fill this in.
    fn problems(&self) -> Vec<SettingsProblem>;
}

impl SettingsProblem {
    /// A problem at `path`, a JSON pointer (RFC 6901) into the settings: `/stages/2/percent_bp`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// The JSON Schema (draft 2020-12) of `S`.
pub(crate) fn schema<S: Settings>() -> Json {
    schemars::SchemaGenerator::default().into_root_schema_for::<S>().as_value().to_string()
}

/// Everything that is wrong with `json` as settings of type `S`.
pub(crate) fn check<S: Settings>(json: &str) -> Vec<SettingsProblem> {
    match parse::<S>(json) {
        Ok(settings) => settings.problems(),
        Err(problem) => vec![problem],
    }
}

/// The settings, or the fault that says where they do not fit.
pub(crate) fn read<S: Settings>(json: &str) -> Result<S, Fault> {
    let settings = parse::<S>(json).map_err(fault)?;
    // Asked again although the host checks at bind time: a plugin must not act on settings that it would refuse.
    match settings.problems().into_iter().next() {
        None => Ok(settings),
        Some(problem) => Err(fault(problem)),
    }
}

fn fault(problem: SettingsProblem) -> Fault {
    Fault::Settings(format!("`{}`: {}", problem.path, problem.message))
}

fn parse<S: Settings>(json: &str) -> Result<S, SettingsProblem> {
    // Serde would also read a struct from an array, field by field.
    if !json.trim_start().starts_with('{') {
        return Err(SettingsProblem::at("", "settings are a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let settings = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|e| SettingsProblem::at(pointer(e.path()), without_position(&e.inner().to_string())))?;
    deserializer.end().map_err(|e| SettingsProblem::at("", without_position(&e.to_string())))?;
    Ok(settings)
}

/// `stages[2].percent_bp` as the JSON pointer `/stages/2/percent_bp`.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            // A key that could not be read; the path ends at what should have held it.
            Segment::Unknown => break,
        };
        pointer.push('/');
        pointer.push_str(&token);
    }
    pointer
}

/// The settings travel as one canonical line, so line and column would only mislead; the path says where.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}
