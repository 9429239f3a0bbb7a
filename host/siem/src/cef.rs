//! The Common Event Format, version 0 (ArcSight, "Implementing ArcSight Common Event Format").

use crate::{Happening, Source, happening::one_line};

/// One entry, without syslog's header.
pub(crate) fn event(happening: &Happening, source: &Source) -> String {
    let header = [
        "Interlock",
        "Interlock",
        &source.version,
        &happening.kind,
        &happening.sentence(),
        &happening.severity().cef().to_string(),
    ];
    let header: Vec<String> = header.iter().map(|field| in_header(field)).collect();
    let mut fields = vec![
        ("rt", happening.at_ms.to_string()),
        ("externalId", happening.id.clone()),
        ("act", happening.kind.clone()),
        ("suser", happening.account.clone()),
    ];
    fields.extend(happening.person.clone().map(|person| ("suid", person)));
    fields.extend(happening.outcome.clone().map(|outcome| ("outcome", outcome)));
    for (label, name, value) in [
        ("cs1Label", "cs1", ("log", Some(happening.log.clone()))),
        ("cs2Label", "cs2", ("leaf_hash", Some(happening.leaf_hash.clone()))),
        ("cs3Label", "cs3", ("object_type", Some(happening.object_kind.clone()))),
        ("cs4Label", "cs4", ("object", Some(happening.object.clone()))),
        ("cs5Label", "cs5", ("policies", some(happening.policies.join(" ")))),
        ("cs6Label", "cs6", ("trace", happening.trace.clone())),
        ("cn1Label", "cn1", ("idx", Some(happening.idx.to_string()))),
        ("cn2Label", "cn2", ("part", happening.part.map(|part| part.to_string()))),
    ] {
        if let (called, Some(value)) = value {
            fields.push((label, called.to_owned()));
            fields.push((name, value));
        }
    }
    let fields: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{name}={}", in_field(&value))).collect();
    format!("CEF:0|{}|{}", header.join("|"), fields.join(" "))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// In the header a bar ends a field.
fn in_header(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// In a field an equals sign ends its name.
fn in_field(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('=', "\\=")
}
