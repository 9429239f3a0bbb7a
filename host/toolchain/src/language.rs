//! What a plugin is written in, and what it is for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A language with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// With the SDK.
    Rust,
    /// With componentize-py: CPython inside.
    Python,
    /// With componentize-qjs: QuickJS inside.
    Javascript,
    /// With clang and wasi-libc.
    C,
}

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Judges a change.
    Gate,
    /// Judges a rollout.
    Health,
    /// Leads a rollout.
    Strategy,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::Javascript, Self::C];

    /// As it is written on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::C => "c",
        }
    }

    /// The file that says that a folder is in this language.
    #[must_use]
    pub const fn project_file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "pyproject.toml",
            Self::Javascript => "package.json",
            Self::C => "plugin.toml",
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gate, Self::Health, Self::Strategy];

    /// As it is written on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Health => "health",
            Self::Strategy => "strategy",
        }
    }

    /// Its world in the contract.
    #[must_use]
    pub const fn world(self) -> &'static str {
        match self {
            Self::Gate => "compliance-gate",
            Self::Health => "health-check",
            Self::Strategy => "rollout-strategy",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
            Self::C => "C",
        })
    }
}
