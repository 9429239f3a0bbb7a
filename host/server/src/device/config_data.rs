//! What a device says of itself.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;

use super::{
    auth::Speaker,
    body::{Message, Said, object},
    error::DdiError,
};
use crate::{
    App,
    flow::poll::{self, Merge},
};

/// Most attributes in one message.
const ENTRIES_MAX: usize = 100;
/// Longest key and longest value.
const TEXT_MAX: usize = 128;

/// `configData`, checked.
pub(super) struct ConfigData {
    merge: Merge,
    data: BTreeMap<String, String>,
}

/// `installedBase`, checked. Its name is not looked at: a device runs one firmware.
pub(super) struct Installed {
    version: String,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    mode: Option<Mode>,
    data: BTreeMap<String, Scalar>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Merge,
    Replace,
    Remove,
}

/// hawkBit takes numbers and truth values for texts, and clients rely on it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Truth(bool),
}

#[derive(Deserialize)]
struct InstalledWire {
    name: String,
    version: String,
}

impl Message for ConfigData {
    fn read(body: &[u8]) -> Result<Self, DdiError> {
        let Wire { mode, data } = object(body)?;
        let data: BTreeMap<String, String> =
            data.into_iter().map(|(key, value)| (key, value.into_text())).collect();
        if data.is_empty() || data.len() > ENTRIES_MAX {
            return Err(DdiError::bad_attributes(format!("`data` has 1 to {ENTRIES_MAX} entries")));
        }
        for (key, value) in &data {
            if key.is_empty() || key.chars().count() > TEXT_MAX || value.chars().count() > TEXT_MAX {
                let detail = format!("keys have 1 to {TEXT_MAX} characters, values at most {TEXT_MAX}");
                return Err(DdiError::bad_attributes(detail));
            }
        }
        let merge = match mode {
            // SWUpdate 2022.12 names none.
            None | Some(Mode::Merge) => Merge::Merge,
            Some(Mode::Replace) => Merge::Replace,
            Some(Mode::Remove) => Merge::Remove,
        };
        Ok(Self { merge, data })
    }
}

impl Message for Installed {
    fn read(body: &[u8]) -> Result<Self, DdiError> {
        let InstalledWire { name, version } = object(body)?;
        for text in [&name, &version] {
            if text.is_empty() || text.chars().count() > TEXT_MAX {
                return Err(DdiError::bad_value(format!("name and version have 1 to {TEXT_MAX} characters")));
            }
        }
        Ok(Self { version })
    }
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
            Scalar::Truth(truth) => truth.to_string(),
        }
    }
}

/// `PUT configData`.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Speaker { device, proof }: Speaker,
    Said(said): Said<ConfigData>,
) -> Result<StatusCode, DdiError> {
    poll::report(&app, &device, proof, said.merge, &said.data).await?;
    Ok(StatusCode::OK)
}

/// `PUT installedBase`: the version, said in another way.
pub(super) async fn put_installed(
    State(app): State<Arc<App>>,
    Speaker { device, proof }: Speaker,
    Said(said): Said<Installed>,
) -> Result<StatusCode, DdiError> {
    let data = BTreeMap::from([(app.config.devices.version_attribute.clone(), said.version)]);
    poll::report(&app, &device, proof, Merge::Merge, &data).await?;
    Ok(StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: serde_json::Value) -> Result<ConfigData, DdiError> {
        ConfigData::read(body.to_string().as_bytes())
    }

    #[test]
    fn the_mode_is_merge_unless_it_is_given() {
        // As SWUpdate 2022.12 sends it.
        let said =
            read(json!({"id": "", "time": "20261121T080000", "status": {"result": {"finished": "success"},
            "execution": "closed", "details": [""]}, "data": {"firmware_version": "1.0"}}));
        let said = said.unwrap();
        assert_eq!(said.merge, Merge::Merge);
        assert_eq!(said.data, BTreeMap::from([("firmware_version".to_owned(), "1.0".to_owned())]));
        for (mode, merge) in [("merge", Merge::Merge), ("replace", Merge::Replace), ("remove", Merge::Remove)]
        {
            assert_eq!(read(json!({"mode": mode, "data": {"a": "b"}})).unwrap().merge, merge);
        }
        assert!(read(json!({"mode": "overwrite", "data": {"a": "b"}})).is_err());
    }

    #[test]
    fn numbers_and_truth_values_are_taken_for_texts() {
        let said = read(json!({"data": {"battery": 82.5, "charging": true, "slots": 2}})).unwrap();
        let values: Vec<&str> = said.data.values().map(String::as_str).collect();
        assert_eq!(values, ["82.5", "true", "2"]);
    }

    #[test]
    fn attributes_have_limits() {
        let entries = |count: usize| -> BTreeMap<String, String> {
            (0..count).map(|n| (format!("k{n}"), String::new())).collect()
        };
        assert!(read(json!({"data": entries(100)})).is_ok());
        assert!(read(json!({"data": {"k".repeat(128): "v".repeat(128)}})).is_ok());
        for wrong in [
            json!({"data": entries(0)}),
            json!({"data": entries(101)}),
            json!({"data": {"": "v"}}),
            json!({"data": {"k".repeat(129): "v"}}),
            json!({"data": {"k": "v".repeat(129)}}),
            json!({"data": {"k": null}}),
            json!({"data": {"k": ["v"]}}),
            json!({"data": ["k"]}),
            json!({"data": null}),
            json!({}),
            json!(["merge", {"k": "v"}]),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
