//! Putting cases behind those of a YAML file, without touching a character of what is there.

use std::path::Path;

use serde_json::Value;
use serde_yaml_ng::Mapping;

use crate::error::WorkshopError;
use crate::suite;

/// The text with these cases behind its own.
pub(super) fn append(
    path: &Path,
    file: &str,
    text: &str,
    cases: &[Mapping],
) -> Result<String, WorkshopError> {
    let refuse = |reason: &str| WorkshopError::field(file, "cases", reason);
    let place = Place::find(text).ok_or_else(|| {
        refuse(
            "they are written in one line: write each one below the other with a `-`, or name another file",
        )
    })?;
    let mut items = String::new();
    for case in cases {
        let lines = serde_yaml_ng::to_string(case).map_err(|error| refuse(&error.to_string()))?;
        items.push_str(&item(&lines, place.indent));
    }
    let together = place.insert(text, &items);
    // What was there is still there, and nothing came but the cases: whatever the file looks like.
    let (before, after) = (suite::parse::<Value>(path, text)?, suite::parse::<Value>(path, &together)?);
    let mut expected = before;
    let added = cases.iter().map(|case| serde_json::to_value(case).unwrap_or_default());
    match expected.get_mut("cases") {
        Some(Value::Array(there)) => there.extend(added),
        _ => {
            if let Some(whole) = expected.as_object_mut() {
                whole.insert("cases".to_owned(), added.collect());
            }
        }
    }
    if after != expected {
        return Err(refuse("it is not clear where they end: name another file"));
    }
    Ok(together)
}

/// Where the next case belongs.
struct Place {
    /// Bytes before it.
    at: usize,
    /// Spaces before its `-`.
    indent: usize,
    /// The line `cases: []`, which becomes `cases:`.
    empty: Option<std::ops::Range<usize>>,
    /// Whether `cases:` itself has to be written.
    new: bool,
    /// Whether cases stand before it, so that an empty line does too.
    follows: bool,
}

impl Place {
    fn find(text: &str) -> Option<Self> {
        let mut at = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            lines.push((at, line));
            at += line.len();
        }
        let end = text.len();
        let Some(key) = lines.iter().position(|(_, line)| line.starts_with("cases:")) else {
            return Some(Self { at: end, indent: 2, empty: None, new: true, follows: false });
        };
        let (start, line) = lines[key];
        let value = line["cases:".len()..].split(" #").next().unwrap_or_default().trim();
        if value == "[]" {
            let from = start + "cases:".len();
            let to = from + line["cases:".len()..].find(']')? + 1;
            return Some(Self {
                at: start + line.len(),
                indent: 2,
                empty: Some(from..to),
                new: false,
                follows: false,
            });
        }
        if !value.is_empty() {
            return None;
        }
        let is_text = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let below = &lines[key + 1..];
        let first = below.iter().find(|(_, line)| is_text(line)).map(|(_, line)| *line);
        let indent = first
            .filter(|line| line.trim_start().starts_with('-'))
            .map(|line| line.len() - line.trim_start().len());
        let ends = |line: &str| is_text(line) && !line.starts_with([' ', '-']);
        let next = below.iter().position(|(_, line)| ends(line));
        let at = match next {
            // Comments and empty lines above the next key belong to it.
            Some(next) => {
                let last = below[..next].iter().rposition(|(_, line)| is_text(line) || line.starts_with(' '));
                last.map_or(start + line.len(), |last| below[last].0 + below[last].1.len())
            }
            None => end,
        };
        Some(Self { at, indent: indent.unwrap_or(2), empty: None, new: false, follows: indent.is_some() })
    }

    fn insert(&self, text: &str, items: &str) -> String {
        let (mut before, after) = (text[..self.at].to_owned(), &text[self.at..]);
        if let Some(empty) = &self.empty {
            before.replace_range(empty.clone(), "");
        }
        if !before.is_empty() && !before.ends_with('\n') {
            before.push('\n');
        }
        if self.new {
            before.push_str("cases:\n");
        }
        let items =
            if self.follows && !before.ends_with("\n\n") { items } else { items.trim_start_matches('\n') };
        before + items + after
    }
}

/// An item of a list, with an empty line before it.
fn item(lines: &str, indent: usize) -> String {
    let mut text = String::from("\n");
    for (index, line) in lines.lines().enumerate() {
        match (index, line) {
            (0, line) => text.push_str(&format!("{:indent$}- {line}\n", "")),
            (_, "") => text.push('\n'),
            (_, line) => text.push_str(&format!("{:indent$}  {line}\n", "")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(text: &str) -> Result<String, String> {
        let case = |name: &str| -> Mapping {
            serde_yaml_ng::from_str(&format!("{{ name: {name}, expect: {{ outcome: pass }} }}")).unwrap()
        };
        append(Path::new("c.yaml"), "c.yaml", text, &[case("x"), case("y")])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn cases_go_behind_the_last_one_and_everything_else_stays() {
        let text = "# Whose.\nplugin: p\ncases:\n  # The first.\n  - { name: a }\n\n  - name: b # why\n    skip: no\n";
        let expected = format!(
            "{text}\n  - name: x\n    expect:\n      outcome: pass\n\n  - name: y\n    expect:\n      outcome: pass\n"
        );
        assert_eq!(appended(text).unwrap(), expected);
    }

    #[test]
    fn a_list_is_found_wherever_it_stands() {
        let x = "- name: x\n  expect:\n    outcome: pass\n\n- name: y\n  expect:\n    outcome: pass\n";
        let indented =
            x.lines().map(|line| if line.is_empty() { String::new() } else { format!("  {line}") });
        let indented: String = indented.map(|line| line + "\n").collect();
        let table = [
            ("cases:\n- name: a\n", format!("cases:\n- name: a\n\n{x}")),
            ("cases:\n", format!("cases:\n{indented}")),
            ("cases: [] # none yet\nplugin: p\n", format!("cases: # none yet\n{indented}plugin: p\n")),
            ("plugin: p", format!("plugin: p\ncases:\n{indented}")),
            ("", format!("cases:\n{indented}")),
            (
                "cases:\n  - name: a\n\n# Whose.\nplugin: p\n",
                format!("cases:\n  - name: a\n\n{indented}\n# Whose.\nplugin: p\n"),
            ),
        ];
        for (text, expected) in table {
            let said = appended(text);
            if text.is_empty() {
                // An empty file is no mapping; a new one begins with the plugin's name.
                assert!(said.is_err(), "{said:?}");
                continue;
            }
            assert_eq!(said.unwrap().replace("cases:  #", "cases: #"), expected, "{text}");
        }
    }

    #[test]
    fn a_list_in_one_line_is_left_alone() {
        assert!(appended("cases: [{ name: a }]\n").unwrap_err().contains("one below the other"));
    }

    #[test]
    fn whatever_cannot_be_told_apart_is_left_alone() {
        // Other ways to write the key, cases that are named elsewhere, and text that is not closed.
        for text in
            ["? cases\n: - name: a\n", "cases: &all\n  - name: a\nmore: *all\n", "cases:\n  - text: \"open\n"]
        {
            assert!(appended(text).is_err(), "{text}");
        }
    }
}
