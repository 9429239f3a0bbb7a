//! What people and programs read in a document, by programs that are not ours.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions only, not in what they share")]

use std::process::Command;

use interlock_report::{Block, Document, SignatureLine, Table, html, pdf};

fn document() -> Document {
    let mut document = Document {
        title: "Change chg_1".to_owned(),
        about: vec![("Tenant".to_owned(), "mercy".to_owned())],
        foot: "log mercy, 12 entries".to_owned(),
        ..Document::default()
    };
    let line = SignatureLine {
        name: "Zoë Đặng-Żółć Иванова 山".to_owned(),
        signed_at: "2026-11-20T18:00:00.000Z (Europe/Lisbon)".to_owned(),
        meaning: "approval".to_owned(),
        sentence: "I approve this change as it is shown here.".to_owned(),
        reason: "=cmd|' /C calc'!A0 <b>fits</b>".to_owned(),
        ..SignatureLine::default()
    };
    document.push("Signatures", vec![Block::Signature(line)]);
    let mut table = Table::new(&["Entry", "What"]);
    for at in 0..300 {
        table.rows.push(vec![at.to_string(), format!("sha256:{}", "0123456789abcdef".repeat(4))]);
    }
    document.push("Entries", vec![Block::Table(table)]);
    document
}

/// The program's output. `apt-get install` says how to get what is not there.
fn output(program: &str, package: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.unwrap_or_else(|error| panic!("{program}: {error}; `apt-get install {package}`"));
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_text_of_the_pdf_is_read_back_by_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    std::fs::write(&path, pdf(&document()).unwrap()).unwrap();
    let text = output("pdftotext", "poppler-utils", &["-layout", path.to_str().unwrap(), "-"]);
    for expected in [
        "Zoë Đặng-Żółć Иванова <U+5C71>",
        "2026-11-20T18:00:00.000Z (Europe/Lisbon)",
        "I approve this change as it is shown here.",
        "=cmd|' /C calc'!A0 <b>fits</b>",
        "log mercy, 12 entries",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    let rows = text
        .lines()
        .filter(|line| line.trim_start().split(' ').next().is_some_and(|at| at.parse::<u32>().is_ok()));
    assert_eq!(rows.count(), 300, "{text}");
    // Every page says which paper it is from, and repeats the headings of its table.
    let pages: Vec<&str> = text.split('\u{c}').filter(|page| !page.trim().is_empty()).collect();
    assert!(pages.len() > 3, "{}", pages.len());
    for (at, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("page {} of {}", at + 1, pages.len())), "{page}");
        assert!(page.contains("Entry"), "{page}");
    }
}

#[test]
fn the_page_shows_in_a_browser_what_stands_in_it_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let mut document = document();
    document.title = "<script>document.title='ran'</script>".to_owned();
    std::fs::write(&path, html(&document)).unwrap();
    let (profile, url) = (folder.path().join("profile"), format!("file://{}", path.display()));
    let profile = format!("--user-data-dir={}", profile.display());
    let flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
    ];
    let dom = output("chromium", "chromium", &[&flags[..], &[&profile, "--dump-dom", &url]].concat());
    assert!(dom.contains("Zoë Đặng-Żółć Иванова 山") && dom.contains("&lt;b&gt;fits&lt;/b&gt;"), "{dom}");
    assert!(dom.contains("<title>&lt;script&gt;") && !dom.contains("<title>ran"), "{dom}");
}
