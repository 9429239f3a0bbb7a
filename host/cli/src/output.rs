//! Printing: a table for people, JSON or YAML for programs. What was asked for goes to stdout, everything else to stderr.

use std::{
    fmt,
    io::{self, Write as _},
};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::failure::{Exit, Failure};

/// Prints on stdout, like `print!`, for readers who may leave early.
macro_rules! say {
    ($($text:tt)+) => { $crate::output::say(format_args!($($text)+)) };
}

/// Prints a line on stdout, like `println!`, for readers who may leave early.
macro_rules! sayln {
    () => { $crate::output::say(format_args!("\n")) };
    ($($text:tt)+) => { $crate::output::say(format_args!("{}\n", format_args!($($text)+))) };
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Yaml,
}

/// How a command ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// It was said no: exit code 1.
    Refused,
    /// Something is not as it should be: exit code 3.
    Unverified,
    /// Of checks of the ledger, which tell three ways apart. It was altered: exit code 1.
    Tampered,
    /// Something that is needed to tell is not there: exit code 2.
    Unverifiable,
    /// What was given cannot be read: exit code 3.
    Malformed,
}

impl Outcome {
    pub(crate) fn exit(self) -> Exit {
        match self {
            Outcome::Done => Exit::Done,
            Outcome::Refused | Outcome::Tampered => Exit::Refused,
            Outcome::Unverifiable => Exit::Usage,
            Outcome::Unverified | Outcome::Malformed => Exit::Failed,
        }
    }
}

/// A column: its heading, and the JSON pointer of its value.
pub(crate) type Column = (&'static str, &'static str);

/// Prints what was asked for.
///
/// `interlock change list | head -1` closes the pipe after one line. What is left has no reader, and is dropped; the
/// command goes on, since its exit code says what it found and not who read it.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    bytes(text.to_string().as_bytes());
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("interlock: cannot write to stdout: {error}");
            std::process::exit(Exit::Failed as i32);
        }
        _ => {}
    }
}

/// Prints a list.
pub(crate) fn list(items: &[Value], columns: &[Column], format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => say!("{}", rows(items, columns)),
        Format::Json | Format::Yaml => value(&Value::Array(items.to_vec()), format)?,
    }
    Ok(())
}

/// Prints one thing: its fields below each other.
pub(crate) fn record(item: &Value, fields: &[Column], format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => say!("{}", lines(item, fields)),
        Format::Json | Format::Yaml => value(item, format)?,
    }
    Ok(())
}

/// A table, one line an item.
pub(crate) fn rows(items: &[Value], columns: &[Column]) -> String {
    let mut table = table(columns.iter().map(|(heading, _)| (*heading).to_owned()).collect());
    for item in items {
        table.add_row(columns.iter().map(|(_, pointer)| at(item, pointer)));
    }
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// One line a field; those without a value are left out.
pub(crate) fn lines(item: &Value, fields: &[Column]) -> String {
    let width = fields.iter().map(|(heading, _)| heading.len()).max().unwrap_or(0);
    fields
        .iter()
        .map(|(heading, pointer)| (heading, at(item, pointer)))
        .filter(|(_, text)| !text.is_empty())
        .map(|(heading, text)| format!("{heading:width$}  {text}\n"))
        .collect()
}

/// Prints a value as it is.
pub(crate) fn value(value: &Value, format: Format) -> Result<(), Failure> {
    match format {
        Format::Yaml => say!("{}", serde_yaml_ng::to_string(value).map_err(Failure::local)?),
        Format::Json | Format::Table => {
            sayln!("{}", serde_json::to_string_pretty(value).map_err(Failure::local)?);
        }
    }
    Ok(())
}

/// An empty table with these headings.
pub(crate) fn table(headings: Vec<String>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings);
    table
}

/// A length of time as people say it, in its largest unit.
pub(crate) fn span(millis: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let unit = units.into_iter().find(|(long, _)| millis >= *long);
    unit.map_or_else(|| format!("{millis} ms"), |(long, name)| format!("{} {name}", millis / long))
}

/// The value under a pointer, as text for a person.
pub(crate) fn at(item: &Value, pointer: &str) -> String {
    match item.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => {
            let texts: Vec<String> = values
                .iter()
                .map(|value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect();
            texts.join(", ")
        }
        Some(other) => other.to_string(),
    }
}
