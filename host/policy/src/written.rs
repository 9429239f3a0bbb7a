//! Policies as they are written: for authors' tools, which need text and place beside the meaning.

use std::collections::BTreeMap;

use cedar_policy::{Policy, PolicyId};

use crate::{
    files::{self, Kind},
    source::{fault, statements},
};

/// One policy of a bundle, as its author wrote it.
#[derive(Debug, Clone)]
pub struct Written {
    /// The file, as a path inside the bundle.
    pub file: String,
    /// Where it begins, counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Its `@id`; empty when it has none.
    pub id: String,
    /// From its first annotation to its semicolon.
    pub text: String,
    /// What it means.
    pub policy: Policy,
}

impl Written {
    /// True when it only says what it would have decided.
    pub fn monitored(&self) -> bool {
        self.policy.annotation("mode") == Some("monitor")
    }
}

/// The policies that parse, in the order of files and lines. Those that do not are for
/// [`Bundle::from_files`](crate::Bundle::from_files) to name.
pub fn written(files: &BTreeMap<String, Vec<u8>>) -> Vec<Written> {
    let mut found = Vec::new();
    for (file, content) in files {
        let (Ok(Kind::Policies), Ok(text)) = (files::kind(file), std::str::from_utf8(content)) else {
            continue;
        };
        // Counted onward from the policy before: from the beginning each time, 10,000 policies would take minutes.
        let (mut line, mut from) = (1, 0);
        for statement in statements(text) {
            line += text[from..statement.offset].matches('\n').count();
            from = statement.offset;
            let line_start = text[..from].rfind('\n').map_or(0, |at| at + 1);
            if let Ok(policy) = Policy::parse(None, statement.text) {
                let id = policy.annotation("id").unwrap_or_default().to_owned();
                let name = if id.is_empty() { format!("{file}:{line}") } else { id.clone() };
                found.push(Written {
                    file: file.clone(),
                    line,
                    column: text[line_start..from].chars().count() + 1,
                    id,
                    text: statement.text.to_owned(),
                    policy: policy.new_id(PolicyId::new(name)),
                });
            }
        }
    }
    found
}

/// Line and column of a byte offset, both counted from 1.
pub fn place(content: &str, offset: usize) -> (usize, usize) {
    let fault = fault("", content, offset, "");
    (fault.line, fault.column)
}
