//! The demo is a test: it must tell its four stories and end well.

use std::process::Command;

use crate::program;

#[test]
fn the_demo_tells_its_four_stories() {
    let told = Command::new(program::demo())
        .arg("--program")
        .arg(program::interlock())
        .arg("--plugins")
        .arg(program::plugins())
        .arg("--once")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{said}\n{}", String::from_utf8_lossy(&told.stderr));
    for line in [
        "=> every pump reports 2.0.0.",
        "=> 10 pumps (5 %) were touched; each reports 2.0.0 again.",
        "=> refused by signature; nobody was even asked to approve it.",
        "=> refused, and on record.",
        "replayed: identical output",
        "All four stories told:",
    ] {
        assert!(said.contains(line), "`{line}` is missing in:\n{said}");
    }
}
