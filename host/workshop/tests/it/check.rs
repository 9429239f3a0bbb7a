//! What a component is told about itself.

use interlock_sandbox::{Limits, Sandbox};
use interlock_workshop::Checked;

use crate::support::{Guest, passing};

async fn check(wasm: Vec<u8>) -> String {
    let limits = Limits { instances_max: 4, ..Limits::default() };
    let sandbox = Sandbox::new(limits.clone(), None).unwrap();
    let examination = sandbox.examine(wasm.clone()).await;
    assert!(sandbox.shelf().is_empty(), "looking at a component installs nothing");
    let checked = Checked::new(&wasm, examination, &limits).await;
    let mut lines: Vec<String> =
        checked.parts.iter().map(|explained| format!("{}: {}", explained.part.name, explained.why)).collect();
    lines.extend(checked.refused.iter().map(|why| format!("refused: {why}")));
    lines.extend(checked.advice.iter().map(|advice| format!("advice: {advice}")));
    lines.join("\n")
}

#[tokio::test]
async fn a_good_gate_is_told_what_it_has() {
    insta::assert_snapshot!(check(passing().build()).await);
}

#[tokio::test]
async fn what_is_missing_and_what_is_extra_is_named() {
    let guest = passing().with(|g: &mut Guest| {
        let line = g.wit.lines().find(|line| line.contains("check-settings: func")).unwrap().to_owned();
        g.wit = g.wit.replace(&line, "");
        g.no_check_settings = true;
        g.wit += "\nworld odd { export plugin; export gate; export init: func(); }";
        g.world = "odd";
        g.exports += "(func (export \"init\") (unreachable))";
    });
    insta::assert_snapshot!(check(guest.build()).await);
}

#[tokio::test]
async fn what_is_no_component_is_told_what_it_is() {
    assert!(check(b"hello".to_vec()).await.ends_with("advice: this is no WebAssembly at all"));
    assert!(check(b"\0asm\x01\0\0\0".to_vec()).await.contains("advice: this is a core module"));
}

#[tokio::test]
async fn settings_that_nobody_explains_are_noticed() {
    let schema = r#"{"type":"object","required":["days"],"properties":{"days":{"type":"integer"}}}"#;
    let said = check(passing().with(|g: &mut Guest| g.schema = schema.into()).build()).await;
    let advice: Vec<&str> = said.lines().filter(|line| line.starts_with("advice")).collect();
    assert_eq!(advice.len(), 3, "{said}");
    assert!(advice[0].contains("additionalProperties"), "{said}");
    assert!(advice[1].contains("`days` has no description"), "{said}");
    assert!(advice[2].contains("it does not run without settings"), "{said}");
}
