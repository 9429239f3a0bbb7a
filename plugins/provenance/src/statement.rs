//! in-toto statements (v1 and v0.1) about how something was built (SLSA provenance v1 and v0.2).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
const PROVENANCE_V1: &str = "https://slsa.dev/provenance/v1";
const PROVENANCE_V02: &str = "https://slsa.dev/provenance/v0.2";

/// A statement, whichever version it was written in.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) subjects: Vec<Descriptor>,
    pub(crate) builder: String,
    pub(crate) build_type: String,
    pub(crate) materials: Vec<Descriptor>,
}

/// Something by its digests.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) uri: Option<String>,
    #[serde(default)]
    pub(crate) digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    subject: Vec<Descriptor>,
    #[serde(rename = "predicate")]
    _predicate: IgnoredAny,
}

#[derive(Deserialize)]
struct V1 {
    predicate: PredicateV1,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PredicateV1 {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    #[serde(default)]
    resolved_dependencies: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct RunDetails {
    builder: Builder,
}

#[derive(Deserialize)]
struct Builder {
    id: String,
}

#[derive(Deserialize)]
struct V02 {
    predicate: PredicateV02,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PredicateV02 {
    builder: Builder,
    build_type: String,
    #[serde(default)]
    materials: Vec<Descriptor>,
}

impl Statement {
    /// Reads a payload; the error says what it is not.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, String> {
        let header: Header = serde_json::from_slice(payload)
            .map_err(|e| format!("its payload is no in-toto statement: {e}"))?;
        if !STATEMENT_TYPES.contains(&header.kind.as_str()) {
            return Err(format!("its statement is of type `{}`, which is not known", header.kind));
        }
        let unreadable =
            |e: serde_json::Error| format!("its predicate is no `{}`: {e}", header.predicate_type);
        let subjects = header.subject;
        match header.predicate_type.as_str() {
            PROVENANCE_V1 => {
                let V1 { predicate } = serde_json::from_slice(payload).map_err(unreadable)?;
                let PredicateV1 { build_definition, run_details } = predicate;
                Ok(Self {
                    subjects,
                    builder: run_details.builder.id,
                    build_type: build_definition.build_type,
                    materials: build_definition.resolved_dependencies,
                })
            }
            PROVENANCE_V02 => {
                let V02 { predicate } = serde_json::from_slice(payload).map_err(unreadable)?;
                let PredicateV02 { builder, build_type, materials } = predicate;
                Ok(Self { subjects, builder: builder.id, build_type, materials })
            }
            other => Err(format!(
                "its predicate is `{other}` and neither `{PROVENANCE_V1}` nor `{PROVENANCE_V02}`"
            )),
        }
    }
}
