//! JUnit XML, as CI servers read it.

use interlock_policy::CaseResult;

use crate::Report;

pub(crate) fn document(report: &Report) -> String {
    let (tests, failed, name) = (report.cases.len(), report.failed, escaped(&report.bundle));
    let counts = format!("name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\"");
    let cases: String = report.cases.iter().map(case).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite {counts}>\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(case: &CaseResult) -> String {
    let head =
        format!("    <testcase name=\"{}\" classname=\"{}\"", escaped(&case.name), escaped(&case.file));
    match case.differences.first() {
        None => format!("{head}/>\n"),
        Some(first) => {
            let all = escaped(&case.differences.join("\n"));
            format!("{head}><failure message=\"{}\">{all}</failure></testcase>\n", escaped(first))
        }
    }
}

/// For text and for attributes. What XML 1.0 cannot hold at all becomes the replacement character.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
