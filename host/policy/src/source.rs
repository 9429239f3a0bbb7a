//! Policy files as text: where each policy stands, and which line and column an offset is.

use miette::Diagnostic;

use crate::Fault;

/// One policy, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Where it begins in its file, in bytes.
    pub(crate) offset: usize,
    /// From its first annotation to its semicolon.
    pub(crate) text: &'a str,
}

/// Cuts a file into policies, so that each has its place and one that does not parse does not hide the next.
///
/// In Cedar's grammar a semicolon ends a policy and stands nowhere else but in strings and comments. Should this ever
/// cut wrongly, the pieces do not parse and the bundle is refused; they can never mean something else.
pub(crate) fn statements(text: &str) -> Vec<Statement<'_>> {
    #[derive(PartialEq)]
    enum In {
        Code,
        String,
        Comment,
    }
    let bytes = text.as_bytes();
    let mut statements = Vec::new();
    let mut state = In::Code;
    let mut start = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        match (&state, byte) {
            (In::Comment, b'\n') => state = In::Code,
            (In::Comment, _) => {}
            (In::String, b'\\') => at += 1,
            (In::String, b'"') => state = In::Code,
            (In::String, _) => {}
            (In::Code, b'/') if next == Some(&b'/') => state = In::Comment,
            (In::Code, b';') => {
                let offset = start.take().unwrap_or(at);
                statements.push(Statement { offset, text: &text[offset..=at] });
            }
            (In::Code, byte) if byte.is_ascii_whitespace() => {}
            (In::Code, _) => {
                start.get_or_insert(at);
                if byte == b'"' {
                    state = In::String;
                }
            }
        }
        at += 1;
    }
    if let Some(offset) = start {
        statements.push(Statement { offset, text: &text[offset..] });
    }
    statements
}

/// A fault at a byte offset of a file.
pub(crate) fn fault(file: &str, content: &str, offset: usize, text: impl Into<String>) -> Fault {
    let offset = (0..=offset.min(content.len())).rev().find(|at| content.is_char_boundary(*at)).unwrap_or(0);
    let before = &content[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = content[offset..].find('\n').map_or(content.len(), |at| offset + at);
    let column = before[line_start..].chars().count();
    let (source, caret) = marked(content[line_start..line_end].trim_end_matches('\r'), column);
    Fault {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: column + 1,
        text: text.into(),
        source,
        caret,
    }
}

/// A line, and what stands under it for a column to be seen. Of a long one, so much as fits before and after.
fn marked(line: &str, column: usize) -> (String, String) {
    const AROUND: usize = 100;
    let from = column.saturating_sub(AROUND);
    let shown: String = line.chars().skip(from).take(2 * AROUND).collect();
    // Tabs stay tabs, so that the caret stands where the line does.
    let blanks = shown.chars().take(column - from).map(|c| if c == '\t' { '\t' } else { ' ' });
    let caret = blanks.chain(['^']).collect();
    (shown, caret)
}

/// Where a diagnostic points to, in bytes; the beginning when it points nowhere.
pub(crate) fn offset(diagnostic: &dyn Diagnostic) -> usize {
    let label = diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let related = || diagnostic.related().and_then(|mut related| related.next()).map(offset);
    label.or_else(related).unwrap_or(0)
}

/// What a diagnostic says, with its advice and on one line.
pub(crate) fn sentence(diagnostic: &dyn Diagnostic) -> String {
    let mut text = diagnostic.to_string();
    if let Some(label) = diagnostic
        .labels()
        .and_then(|mut labels| labels.next())
        .and_then(|label| label.label().map(str::to_owned))
    {
        text.push_str(&format!(": {label}"));
    }
    if let Some(help) = diagnostic.help() {
        text.push_str(&format!(" ({help})"));
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::PolicySet;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn semicolons_in_strings_and_comments_end_nothing() {
        let text =
            "// one; two\n@reason(\"a; \\\" // b\")\npermit (principal, action, resource); // x;\nforbid";
        let found: Vec<(usize, &str)> = statements(text).iter().map(|s| (s.offset, s.text)).collect();
        assert_eq!(
            found,
            [
                (12, "@reason(\"a; \\\" // b\")\npermit (principal, action, resource);"),
                (text.len() - 6, "forbid")
            ]
        );
    }

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let fault = fault("f.cedar", "é\nüb", 5, "x");
        assert_eq!((fault.line, fault.column), (2, 2));
        assert_eq!(
            super::fault("f.cedar", "é", 1, "x").column,
            1,
            "inside a character counts as its beginning"
        );
        assert_eq!(super::fault("f.cedar", "ab", 99, "x").column, 3, "beyond the end counts as the end");
    }

    #[test]
    fn a_place_is_shown_with_its_line_and_a_caret_below_it() {
        let shown = |content: &str, offset| {
            let fault = fault("f.cedar", content, offset, "x");
            (fault.source, fault.caret)
        };
        assert_eq!(shown("a\n\tbc d\r\ne", 6), ("\tbc d".to_owned(), "\t   ^".to_owned()));
        assert_eq!(shown("", 0), (String::new(), "^".to_owned()));
        let long = "x".repeat(10_000) + "y" + &"z".repeat(10_000);
        let (source, caret) = shown(&long, 10_000);
        assert_eq!((source.len(), caret.len()), (200, 101));
        assert_eq!(source.chars().nth(100), Some('y'));
    }

    proptest! {
        #[test]
        fn cutting_finds_as_many_policies_as_cedar_does(pieces in prop::collection::vec(
            prop::sample::select(vec![
                "permit(principal,action,resource);", "@a(\"x;\\\\\")forbid(principal,action,resource)when{1>0};",
                "// ; \"\n", " ", "\n", "permit(principal,action,resource)when{context.a like \"//;*\"};",
            ]), 0..12))
        {
            let text = pieces.concat();
            let whole = PolicySet::from_str(&text).unwrap();
            prop_assert_eq!(statements(&text).len(), whole.num_of_policies());
        }

        #[test]
        fn cutting_never_panics_and_loses_no_code(text in "[a;\"\\\\/\n é]{0,40}") {
            let kept: usize = statements(&text).iter().map(|s| s.text.len()).sum();
            prop_assert!(kept <= text.len());
        }
    }
}
