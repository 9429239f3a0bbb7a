//! JUnit XML, as CI servers read it.

use std::fmt::Write;

use crate::report::{Report, Status};

impl Report {
    /// The document for these reports: a suite for each file, a test case for each case.
    #[must_use]
    pub fn junit(reports: &[Self]) -> String {
        let sum = |count: fn(&Self) -> usize| reports.iter().map(count).sum::<usize>();
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let (tests, failed, skipped) =
            (sum(|report| report.cases.len()), sum(Self::failed), sum(Self::skipped));
        line(
            &mut xml,
            format_args!(
                "<testsuites name=\"interlock plugin test\" tests=\"{tests}\" failures=\"{failed}\" skipped=\"{skipped}\">"
            ),
        );
        for report in reports {
            report.suite(&mut xml);
        }
        line(&mut xml, format_args!("</testsuites>"));
        xml
    }

    fn suite(&self, xml: &mut String) {
        let (tests, failed, skipped) = (self.cases.len(), self.failed(), self.skipped());
        let (name, plugin) = (escaped(&self.file), escaped(&self.plugin));
        let time = seconds(self.cases.iter().map(|case| case.cost.elapsed_us).sum());
        line(
            xml,
            format_args!(
                "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" skipped=\"{skipped}\" time=\"{time}\">"
            ),
        );
        for case in &self.cases {
            let (name, time) = (escaped(&case.name), seconds(case.cost.elapsed_us));
            let head = format!("    <testcase name=\"{name}\" classname=\"{plugin}\" time=\"{time}\"");
            match &case.status {
                Status::Passed => line(xml, format_args!("{head}/>")),
                Status::Failed { differences } => {
                    let (first, all) =
                        (differences.first().map_or("", String::as_str), differences.join("\n"));
                    let (first, all) = (escaped(first), escaped(&all));
                    line(xml, format_args!("{head}><failure message=\"{first}\">{all}</failure></testcase>"));
                }
                Status::Skipped { reason } => {
                    let reason = escaped(reason);
                    line(xml, format_args!("{head}><skipped message=\"{reason}\"/></testcase>"));
                }
            }
        }
        line(xml, format_args!("  </testsuite>"));
    }
}

fn line(xml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(xml, "{text}");
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// For text and for attributes. What XML 1.0 cannot hold at all becomes the replacement character.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\n' => "&#10;".to_owned(),
            '\t' => "&#9;".to_owned(),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}'.to_string(),
            other => other.to_string(),
        })
        .collect()
}
