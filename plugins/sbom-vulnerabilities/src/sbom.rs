//! Bills of materials: CycloneDX 1.4 to 1.6 and SPDX 2.2 and 2.3, as JSON.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::purl::Purl;

/// What an artifact is made of.
#[derive(Debug, Default)]
pub(crate) struct Sbom {
    /// Each package and version once.
    pub(crate) components: Vec<Component>,
    /// The names of those that have no purl.
    pub(crate) unnamed: Vec<String>,
}

/// One package in an artifact.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub(crate) purl: Purl,
    /// That of the purl, otherwise that of the component; empty when neither says.
    pub(crate) version: String,
}

impl Sbom {
    /// Reads a bill of materials; the error says what is wrong with it.
    pub(crate) fn read(document: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(document).map_err(|e| e.to_string())?;
        let mut sbom = Self::default();
        match (&written.bom_format, &written.spec_version, &written.spdx_version) {
            (Some(format), Some(version), None) if format == "CycloneDX" => {
                if !["1.4", "1.5", "1.6"].contains(&version.as_str()) {
                    return Err(format!("CycloneDX {version} is not known; write 1.4, 1.5 or 1.6"));
                }
                let product = written.metadata.into_iter().filter_map(|metadata| metadata.component);
                sbom.add_all(product.flat_map(|product| product.components).chain(written.components));
            }
            (None, None, Some(version)) => {
                if !["SPDX-2.2", "SPDX-2.3"].contains(&version.as_str()) {
                    return Err(format!("{version} is not known; write SPDX-2.2 or SPDX-2.3"));
                }
                sbom.add_packages(
                    written.packages,
                    &described(written.document_describes, written.relationships),
                );
            }
            _ => return Err("it is neither CycloneDX nor SPDX JSON".to_owned()),
        }
        let mut seen = BTreeSet::new();
        sbom.components.retain(|component| {
            let Component { purl, version } = component;
            seen.insert((purl.package.clone(), version.clone(), purl.distro.clone()))
        });
        Ok(sbom)
    }

    fn add(&mut self, name: String, version: Option<String>, purl: Option<&str>) {
        match purl.and_then(Purl::read) {
            Some(purl) => {
                let version =
                    if purl.version.is_empty() { version.unwrap_or_default() } else { purl.version.clone() };
                self.components.push(Component { purl, version });
            }
            None => self.unnamed.push(name),
        }
    }

    /// Components hold components. Walked with a list of those to come, so that depth costs no stack.
    fn add_all(&mut self, components: impl Iterator<Item = Bom>) {
        let mut open: Vec<Bom> = components.collect();
        while let Some(component) = open.pop() {
            open.extend(component.components);
            // A file is not a package; nobody publishes advisories about it.
            if component.purl.is_some() || component.kind != "file" {
                self.add(component.name, component.version, component.purl.as_deref());
            }
        }
    }

    fn add_packages(&mut self, packages: Vec<Package>, described: &BTreeSet<String>) {
        for package in packages {
            let purl = package.external_refs.iter().find(|reference| reference.kind == "purl");
            let purl = purl.map(|reference| reference.locator.as_str());
            // What the document describes is the artifact itself.
            if purl.is_some() || !described.contains(&package.id) {
                self.add(package.name, package.version_info, purl);
            }
        }
    }
}

fn described(listed: Vec<String>, relationships: Vec<Relationship>) -> BTreeSet<String> {
    let related = relationships.into_iter().filter(|relationship| relationship.kind == "DESCRIBES");
    listed.into_iter().chain(related.map(|relationship| relationship.related)).collect()
}

/// Both formats at once; which of them it is, their own fields say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    bom_format: Option<String>,
    spec_version: Option<String>,
    metadata: Option<Metadata>,
    #[serde(default)]
    components: Vec<Bom>,
    spdx_version: Option<String>,
    #[serde(default)]
    packages: Vec<Package>,
    #[serde(default)]
    document_describes: Vec<String>,
    #[serde(default)]
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Metadata {
    component: Option<Bom>,
}

#[derive(Deserialize)]
struct Bom {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: String,
    version: Option<String>,
    purl: Option<String>,
    #[serde(default)]
    components: Vec<Bom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID", default)]
    id: String,
    #[serde(default)]
    name: String,
    version_info: Option<String>,
    #[serde(default)]
    external_refs: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "referenceType", default)]
    kind: String,
    #[serde(rename = "referenceLocator", default)]
    locator: String,
}

#[derive(Deserialize)]
struct Relationship {
    #[serde(rename = "relationshipType", default)]
    kind: String,
    #[serde(rename = "relatedSpdxElement", default)]
    related: String,
}
