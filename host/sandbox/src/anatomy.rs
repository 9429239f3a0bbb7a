//! What stands in a component, for whoever writes one: also of what is refused.

use std::sync::Arc;

use interlock_ledger::Digest;
use serde::Serialize;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::contract::{EVERY_WORLD, VERSION, WORLDS, contract_interface, may_import, newer};
use crate::{InstallError, Plugin, Sandbox};

/// A component that was looked at, and what became of it.
#[derive(Debug)]
pub struct Examination {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Its imports and exports; empty when it does not even compile.
    pub parts: Vec<Part>,
    /// The plugin, or why it is none.
    pub plugin: Result<Arc<Plugin>, InstallError>,
}

/// One import or export, or one that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `interlock:plugin/gate@1.1.0#evaluate`; an import without its functions, unless one of them is why it is listed.
    pub name: String,
    /// What it is to the contract.
    pub place: Place,
}

/// What an import or export is to the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// An import that the host provides.
    Import,
    /// An import of WASI, which is inert here: no files, no network, a clock that stands still.
    StandIn,
    /// An import that no plugin may have.
    Foreign,
    /// A function of the contract that this host is too old to have.
    Newer,
    /// An export that the host calls.
    Export,
    /// An export that nobody calls.
    Extra,
    /// An export that its world must have.
    Missing,
}

impl Sandbox {
    /// Looks at a component and tries it as [`Sandbox::install`] does, without keeping it.
    pub async fn examine(&self, wasm: Vec<u8>) -> Examination {
        let digest = Digest::of(&wasm);
        let refused = |parts, error| Examination { digest, parts, plugin: Err(error) };
        let component = match self.compile_bounded(digest, wasm).await {
            Ok(component) => component,
            Err(error) => return refused(Vec::new(), error),
        };
        let parts = parts(&self.machine().engine, &component);
        match self.accept(digest, &component).await {
            Ok(plugin) => Examination { digest, parts, plugin: Ok(Arc::new(plugin)) },
            Err(error) => refused(parts, error),
        }
    }
}

fn parts(engine: &Engine, component: &Component) -> Vec<Part> {
    let ty = component.component_type();
    let part = |name: String, place| Part { name, place };
    let mut parts: Vec<Part> = ty
        .imports(engine)
        .map(|(name, _)| {
            let place = match (may_import(name), contract_interface(name)) {
                (false, _) => Place::Foreign,
                (true, Some(_)) => Place::Import,
                (true, None) => Place::StandIn,
            };
            part(name.to_owned(), place)
        })
        .collect();
    parts.extend(newer(engine, component).into_iter().map(|name| part(name, Place::Newer)));
    let mut exported = Vec::new();
    for (name, export) in ty.exports(engine) {
        let expected = contract_interface(name).and_then(functions);
        match (export.ty, expected) {
            (ComponentItem::ComponentInstance(instance), Some(expected)) => {
                for (function, item) in instance.exports(engine) {
                    // Interfaces also export the types that they use.
                    if !matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                        continue;
                    }
                    let place = if expected.contains(&function) { Place::Export } else { Place::Extra };
                    exported.push(part(format!("{name}#{function}"), place));
                }
            }
            _ => exported.push(part(name.to_owned(), Place::Extra)),
        }
    }
    parts.extend(missing(&exported));
    parts.extend(exported);
    parts
}

/// The functions that an interface of the contract must have.
fn functions(interface: &str) -> Option<&'static [&'static str]> {
    let worlds = WORLDS.iter().map(|(_, interface, functions)| (*interface, *functions));
    [EVERY_WORLD]
        .into_iter()
        .chain(worlds)
        .find(|(name, _)| *name == interface)
        .map(|(_, functions)| functions)
}

/// What the world that it most likely means to be asks for and it does not have.
fn missing(exported: &[Part]) -> Vec<Part> {
    let has = |interface: &str, function: Option<&str>| {
        exported.iter().any(|part| {
            part.name.split_once('#').is_some_and(|(name, exported)| {
                contract_interface(name) == Some(interface)
                    && function.is_none_or(|function| function == exported)
            })
        })
    };
    let world = WORLDS.iter().find(|(_, interface, _)| has(interface, None));
    let wanted = [EVERY_WORLD].into_iter().chain(world.map(|(_, interface, names)| (*interface, *names)));
    wanted
        .flat_map(|(interface, names)| names.iter().map(move |name| (interface, *name)))
        .filter(|(interface, name)| !has(interface, Some(name)))
        .map(|(interface, name)| Part {
            name: format!("interlock:plugin/{interface}@{VERSION}#{name}"),
            place: Place::Missing,
        })
        .collect()
}
