//! What a component must export and may import.

use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentNamedList, Lift, Lower};

use crate::bindings::health::exports::interlock::plugin::health as wit_health;
use crate::bindings::strategy::exports::interlock::plugin::strategy as wit_strategy;
use crate::types::{Change, Description, Fault, PluginKind, Population, SettingsProblem, Verdict};
use crate::{InstallError, inert};

const PACKAGE: &str = "interlock:plugin/";
/// The version of the contract that this host serves, with all before it that have the same first number.
pub(crate) const VERSION: &str = "1.1.0";
/// What plugins may import, with the functions that this host has.
const IMPORTS: [(&str, &[&str]); 3] =
    [("types", &[]), ("logging", &["log"]), ("evidence", &["fetch", "fetch-many"])];

/// Interfaces and their functions, by what makes a world this world.
pub(crate) const EVERY_WORLD: (&str, &[&str]) = ("plugin", &["describe", "check-settings"]);
pub(crate) const WORLDS: [(PluginKind, &str, &[&str]); 3] = [
    (PluginKind::ComplianceGate, "gate", &["evaluate"]),
    (PluginKind::HealthCheck, "health", &["needs", "judge"]),
    (PluginKind::RolloutStrategy, "strategy", &["plan", "advance"]),
];

/// Which of the three worlds the component's exports contain. Further exports are fine: toolchains leave some, and
/// nobody calls them.
///
/// # Errors
/// Names every import that is neither of the contract nor of the WASI stand-in, every function that this host is too old
/// to have, or every function that is missing.
pub(crate) fn inspect(engine: &Engine, component: &Component) -> Result<PluginKind, InstallError> {
    let ty = component.component_type();
    let foreign: Vec<String> = ty
        .imports(engine)
        .map(|(name, _)| name)
        .filter(|name| !may_import(name))
        .map(str::to_owned)
        .collect();
    if !foreign.is_empty() {
        return Err(InstallError::ForeignImports { names: foreign });
    }
    let names = newer(engine, component);
    if !names.is_empty() {
        return Err(InstallError::NewerContract { names, version: VERSION });
    }
    let functions = |interface: &str| {
        ty.exports(engine).find_map(|(name, export)| match export.ty {
            ComponentItem::ComponentInstance(instance) if contract_interface(name) == Some(interface) => {
                Some(instance.exports(engine).map(|(name, _)| name.to_owned()).collect::<Vec<_>>())
            }
            _ => None,
        })
    };
    let found: Vec<_> = WORLDS.iter().filter(|(_, interface, _)| functions(interface).is_some()).collect();
    let (kind, interface, names) = match found.as_slice() {
        [] => return Err(InstallError::NoWorld),
        [one] => **one,
        [one, other, ..] => return Err(InstallError::TwoWorlds { one: one.0, other: other.0 }),
    };
    let missing: Vec<String> = [EVERY_WORLD, (interface, names)]
        .iter()
        .flat_map(|(interface, names)| {
            let exported = functions(interface).unwrap_or_default();
            names.iter().filter(move |name| !exported.iter().any(|e| e == *name)).map(move |n| (interface, n))
        })
        .map(|(interface, name)| format!("{PACKAGE}{interface}#{name}"))
        .collect();
    if missing.is_empty() { Ok(kind) } else { Err(InstallError::MissingExports { kind, names: missing }) }
}

/// The functions of our own interfaces that the component imports and this host does not have:
/// `interlock:plugin/evidence@1.2.0#list`.
pub(crate) fn newer(engine: &Engine, component: &Component) -> Vec<String> {
    let ty = component.component_type();
    let mut names = Vec::new();
    for (name, import) in ty.imports(engine) {
        let ours = contract_interface(name).and_then(|ours| IMPORTS.iter().find(|(known, _)| *known == ours));
        let (Some((_, known)), ComponentItem::ComponentInstance(instance)) = (ours, import.ty) else {
            continue;
        };
        for (function, item) in instance.exports(engine) {
            if matches!(item.ty, ComponentItem::ComponentFunc(_)) && !known.contains(&function) {
                names.push(format!("{name}#{function}"));
            }
        }
    }
    names
}

/// Whether every function of the world has the type that the contract gives it. wasmtime would say so at the first
/// instantiation, but not which function it was.
///
/// # Errors
/// Names the first function that has not.
pub(crate) fn typecheck(
    engine: &Engine,
    component: &Component,
    kind: PluginKind,
) -> Result<(), InstallError> {
    let typed = Typed { engine, component };
    typed.check::<(), (Description,)>("plugin", "describe")?;
    typed.check::<(String,), (Vec<SettingsProblem>,)>("plugin", "check-settings")?;
    match kind {
        PluginKind::ComplianceGate => {
            typed.check::<(Change, String, u64), (Result<Verdict, Fault>,)>("gate", "evaluate")
        }
        PluginKind::HealthCheck => {
            typed.check::<(Change, String), (Result<Vec<wit_health::Query>, Fault>,)>("health", "needs")?;
            typed.check::<(Vec<wit_health::Observation>, String, u64), (Result<Verdict, Fault>,)>(
                "health", "judge",
            )
        }
        PluginKind::RolloutStrategy => {
            type Plan = (Result<Vec<wit_strategy::Stage>, Fault>,);
            type Advance = (Result<wit_strategy::Directive, Fault>,);
            typed.check::<(Change, Population, String), Plan>("strategy", "plan")?;
            typed.check::<(wit_strategy::Situation,), Advance>("strategy", "advance")
        }
    }
}

struct Typed<'a> {
    engine: &'a Engine,
    component: &'a Component,
}

impl Typed<'_> {
    fn check<Params, Return>(&self, interface: &str, function: &str) -> Result<(), InstallError>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let ty = self.component.component_type();
        let checked = match self.function(interface, function) {
            Some(func) => func.typecheck::<Params, Return>(&ty.instance_type()),
            None => Err(wasmtime::Error::msg("it is no function")),
        };
        checked.map_err(|e| InstallError::Contract { reason: format!("`{interface}#{function}`: {e:#}") })
    }

    fn function(&self, interface: &str, function: &str) -> Option<ComponentFunc> {
        let ty = self.component.component_type();
        ty.exports(self.engine).find_map(|(name, export)| match export.ty {
            ComponentItem::ComponentInstance(instance) if contract_interface(name) == Some(interface) => {
                match instance.get_export(self.engine, function)?.ty {
                    ComponentItem::ComponentFunc(func) => Some(func),
                    _ => None,
                }
            }
            _ => None,
        })
    }
}

pub(crate) fn may_import(name: &str) -> bool {
    if let Some(interface) = contract_interface(name) {
        return IMPORTS.iter().any(|(known, _)| *known == interface);
    }
    let wasi = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
    wasi.is_some_and(|(package, rest)| {
        inert::PACKAGES.contains(&package) && rest.split_once('@').is_some_and(|(_, v)| v.starts_with("0.2."))
    })
}

/// `gate` of `interlock:plugin/gate@1.4.2`. Any 1.x is ours: later ones only add.
pub(crate) fn contract_interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with("1.").then_some(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contract_and_the_stand_in_may_be_imported() {
        for good in [
            "interlock:plugin/types@1.0.0",
            "interlock:plugin/evidence@1.7.3",
            "wasi:cli/environment@0.2.3",
            "wasi:io/streams@0.2.12",
        ] {
            assert!(may_import(good), "{good}");
        }
        for bad in [
            "interlock:plugin/evidence@2.0.0",
            "interlock:plugin/evidence",
            "interlock:plugin/gate@1.0.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:clocks/wall-clock@0.3.0",
            "wasi:keyvalue/store@0.2.0-draft",
            "evil:net/socket@1.0.0",
            "fetch",
        ] {
            assert!(!may_import(bad), "{bad}");
        }
    }
}
