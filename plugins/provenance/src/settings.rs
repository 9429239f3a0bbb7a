//! What an operator sets for the gate.

use std::collections::BTreeSet;

use interlock_plugin_sdk::prelude::*;

use crate::key::Key;

/// Each key is tried with each signature, and a verification costs fuel.
const KEYS_MAX: usize = 10;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// The builders that are trusted, by their whole id, or by a prefix that ends in a slash:
    /// `https://github.com/actions/runner`, `https://builds.example.com/`.
    #[schemars(length(min = 1))]
    pub builders: Vec<String>,
    /// The keys that may sign.
    #[schemars(length(min = 1, max = 10))]
    pub keys: Vec<KeySettings>,
    /// How many distinct signers must have signed.
    #[default(1)]
    #[schemars(range(min = 1, max = 10))]
    pub min_signers: usize,
    /// The build types that are accepted. Left out or empty, all are.
    #[default]
    pub build_types: Vec<String>,
    /// What a build may be made of, by the beginning of its URI: `git+https://git.example.com/`. Left out or empty, anything.
    #[default]
    pub materials: Vec<String>,
}

/// A key that may sign.
#[settings]
pub struct KeySettings {
    /// Whose key it is. Several keys of one signer count as one.
    pub signer: String,
    /// The public key: PEM, or base64; Ed25519 or ECDSA on P-256.
    pub public_key: String,
}

impl Settings {
    /// The keys, or what is wrong with them.
    pub(crate) fn keys(&self) -> Result<Vec<Key>, Vec<SettingsProblem>> {
        let mut problems = Vec::new();
        let mut keys: Vec<Key> = Vec::new();
        for (index, KeySettings { signer, public_key }) in self.keys.iter().enumerate() {
            let at = |field: &str| format!("/keys/{index}/{field}");
            if signer.trim().is_empty() {
                problems.push(SettingsProblem::at(at("signer"), "say whose key it is"));
            }
            match Key::read(signer, public_key) {
                Err(why) => problems.push(SettingsProblem::at(at("public_key"), why)),
                // Otherwise one key could count as two signers.
                Ok(key) => match keys.iter().find(|other| other.is(&key)) {
                    Some(other) => {
                        let message = format!("this key is listed before, as that of `{}`", other.signer);
                        problems.push(SettingsProblem::at(at("public_key"), message));
                    }
                    None => keys.push(key),
                },
            }
        }
        if problems.is_empty() { Ok(keys) } else { Err(problems) }
    }

    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = self.keys().err().unwrap_or_default();
        if self.keys.is_empty() || self.keys.len() > KEYS_MAX {
            problems.push(SettingsProblem::at("/keys", format!("name from 1 to {KEYS_MAX} keys")));
        }
        if self.builders.is_empty() {
            problems.push(SettingsProblem::at("/builders", "name at least one builder"));
        }
        for (name, list) in
            [("builders", &self.builders), ("build_types", &self.build_types), ("materials", &self.materials)]
        {
            for (index, entry) in list.iter().enumerate() {
                if entry.trim().is_empty() || entry == "/" {
                    problems.push(SettingsProblem::at(
                        format!("/{name}/{index}"),
                        "this would be anything; write a URI",
                    ));
                }
            }
        }
        let signers: BTreeSet<&str> = self.keys.iter().map(|key| key.signer.as_str()).collect();
        if self.min_signers == 0 {
            problems.push(SettingsProblem::at("/min_signers", "at least one signer must sign"));
        } else if self.min_signers > signers.len() && !self.keys.is_empty() {
            let message = format!("`keys` has {} distinct signers, so more can never sign", signers.len());
            problems.push(SettingsProblem::at("/min_signers", message));
        }
        problems
    }
}
