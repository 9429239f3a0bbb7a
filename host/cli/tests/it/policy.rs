//! The policy author's loop as one types it.

use crate::{
    fake::{Body, FakeServer, Run, run},
    plugin::{Folder, parsed},
};

async fn policy(arguments: &[&str]) -> Run {
    run(&[&["policy"], arguments].concat(), "").await
}

/// A new bundle and its folder.
async fn started(folder: &Folder) -> String {
    let dir = folder.path("ours").to_str().unwrap().to_owned();
    let new = policy(&["new", &dir]).await;
    assert_eq!(new.code, 0, "{new:?}");
    dir
}

const BROAD: &str = "@id(\"broad\") @reason(\"b\")\npermit (principal, action == Interlock::Action::\"ReadChange\", resource);\n";

#[tokio::test]
async fn a_new_bundle_is_in_form_good_and_tested() {
    let folder = Folder::new();
    let dir = started(&folder).await;
    for arguments in [
        &["check", &dir][..],
        &["fmt", "--check", &dir],
        &["test", &dir, "--min-coverage", "100"],
        &["diff", &dir, &dir],
    ] {
        let run = policy(arguments).await;
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
    }
    assert_eq!(run(&["bundle", "check", &dir], "").await.code, 0);
    let again = policy(&["new", &dir]).await;
    assert!(again.code == 2 && again.stderr.contains("is there already"), "{again:?}");
}

#[tokio::test]
async fn what_is_wrong_is_shown_with_line_and_caret_and_as_json() {
    let folder = Folder::new();
    let dir = started(&folder).await;
    std::fs::write(folder.path("ours/wide.cedar"), BROAD).unwrap();
    let check = policy(&["check", &dir]).await;
    assert_eq!(check.code, 1, "{check:?}");
    assert!(check.stderr.contains("error[permit-everybody]: "), "{check:?}");
    assert!(check.stderr.contains(" --> wide.cedar:1:1\n  |\n1 | @id(\"broad\")"), "{check:?}");
    let json = policy(&["check", &dir, "--output", "json"]).await;
    assert_eq!(json.code, 1);
    assert_eq!(parsed(&json)["findings"][0]["lint"], "permit-everybody");
    assert_eq!(run(&["bundle", "check", &dir], "").await.code, 1, "`bundle check` knows the same rules");
}

#[tokio::test]
async fn what_is_not_in_form_is_shown_and_then_written() {
    let folder = Folder::new();
    let dir = started(&folder).await;
    let path = folder.path("ours/policies.cedar");
    let formed = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, formed.replace("  action ==", "action   ==")).unwrap();
    let check = policy(&["fmt", "--check", &dir]).await;
    assert_eq!(check.code, 1, "{check:?}");
    assert!(check.stdout.contains("-action   ==") && check.stdout.contains("+  action =="), "{check:?}");
    assert_eq!(policy(&["fmt", &dir]).await.code, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), formed);
}

#[tokio::test]
async fn a_case_that_fails_and_a_policy_that_never_decides_are_told() {
    let folder = Folder::new();
    let dir = started(&folder).await;
    let quiet = BROAD.replace("permit (principal,", "permit (principal in Interlock::Role::\"auditor\",");
    std::fs::write(folder.path("ours/quiet.cedar"), quiet).unwrap();
    let low = policy(&["test", &dir, "--min-coverage", "51"]).await;
    assert_eq!(low.code, 1, "{low:?}");
    assert!(low.stdout.contains("never decides: broad") && low.stderr.contains("50 %"), "{low:?}");
    let junit = folder.path("junit.xml");
    let wrong = folder.put("wrong.json", "[{ \"request\": {} }]");
    let failed = policy(&["test", &dir, "--cedar", &wrong, "--junit", junit.to_str().unwrap()]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(std::fs::read_to_string(junit).unwrap().contains("failures=\"1\""));
    std::fs::remove_dir_all(folder.path("ours/cases")).unwrap();
    let none = policy(&["test", &dir]).await;
    assert!(none.code == 1 && none.stdout.contains("nothing was tested"), "{none:?}");
}

#[tokio::test]
async fn a_question_is_explained_from_its_parts_from_a_file_and_from_a_decision() {
    let folder = Folder::new();
    let dir = started(&folder).await;
    let parts = policy(&[
        "explain",
        &dir,
        "--person",
        "vera",
        "--role",
        "viewer",
        "--action",
        "ReadChange",
        "--on",
        "change",
    ])
    .await;
    assert!(parts.code == 0 && parts.stdout.starts_with("ALLOW: Interlock::User::"), "{parts:?}");
    assert!(parts.stdout.contains("true  scope principal in Interlock::Role::\"viewer\""), "{parts:?}");
    let nobody =
        policy(&["explain", &dir, "--person", "nora", "--action", "ReadChange", "--on", "change"]).await;
    assert!(nobody.stdout.contains("read.viewers stopped at `scope principal in "), "{nobody:?}");
    let request = folder
        .put("q.json", r#"{ "person": "vera", "action": "ReadChange", "resource": { "type": "tenant" } }"#);
    assert!(policy(&["explain", &dir, "--request", &request]).await.stdout.starts_with("DENY: "));
    let misfit =
        folder.put("bad.json", r#"{ "person": "vera", "action": "Fly", "resource": { "type": "tenant" } }"#);
    assert_eq!(policy(&["explain", &dir, "--request", &misfit]).await.code, 2);
    assert_eq!(policy(&["explain", &dir]).await.code, 2);
    assert_eq!(policy(&["explain", &dir, "--decision", "yesterday"]).await.code, 2);
}

#[tokio::test]
async fn recorded_decisions_are_asked_again() {
    let folder = Folder::new();
    let dir = started(&folder).await;
    let nothing = folder.put("none.jsonl", "");
    let none = policy(&["impact", &dir, "--file", &nothing]).await;
    assert!(none.code == 2 && none.stderr.contains("nothing can be said"), "{none:?}");
    let broken = folder.put("broken.jsonl", "{\n");
    assert_eq!(policy(&["impact", &dir, "--file", &broken]).await.code, 2);

    let bundle = interlock_policy::default_bundle().unwrap();
    let question = interlock_policy::sample_question(interlock_domain::Action::ReadChange);
    let answer = bundle.ask(&question);
    assert!(answer.allowed);
    let id = format!("dec_{:032x}", 7).parse().unwrap();
    let decision = interlock_domain::Decision::of_policy(id, None, question, answer, 1);
    let file = folder.put("d.jsonl", &serde_json::to_string(&decision).unwrap());
    let impact = policy(&["impact", &dir, "--file", &file]).await;
    assert_eq!(impact.code, 0, "{impact:?}");
    assert!(impact.stdout.contains("1 changed\nrbac.read (no longer permits): 1\n"), "{impact:?}");
    assert_eq!(policy(&["impact", &dir, "--file", &file, "--fail-on-change"]).await.code, 1);
    let explained = policy(&["explain", &dir, "--decision", &file]).await;
    assert!(explained.stdout.starts_with("DENY: "), "{explained:?}");

    let server = FakeServer::start().await;
    let page = serde_json::json!({ "items": [decision] });
    server.answers([(200, Body::Json(page)), (200, Body::Json(serde_json::json!({ "items": [] })))]);
    let since = server
        .run(&["policy", "impact", &dir, "--since", "2026-11-01T00:00:00Z", "--output", "json"], "")
        .await;
    assert_eq!(parsed(&since)["asked"], 1, "{since:?}");
}

/// A folder with the default bundle.
fn default_bundle(folder: &Folder) -> String {
    let dir = folder.path("default");
    for (path, content) in interlock_policy::default_files() {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_holds_is_proved_and_what_does_not_is_shown_with_who_could_do_what() {
    let folder = Folder::new();
    let dir = default_bundle(&folder);
    let proved = policy(&["prove", &dir, "--action", "ApproveChange", "RejectChange"]).await;
    assert_eq!(proved.code, 0, "{proved:?}");
    assert!(
        proved.stdout.contains("proved    invariants.own-change: Nobody approves their own change\n"),
        "{proved:?}"
    );
    assert!(proved.stdout.contains("not asked invariants.health: "), "{proved:?}");

    let weaker = folder.path("weaker").to_str().unwrap().to_owned();
    std::fs::rename(&dir, &weaker).unwrap();
    let dir = default_bundle(&folder);
    let path = folder.path("weaker/approvals.cedar");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replace(
            "when { resource.author == principal };",
            "when { false && resource.author == principal };",
        ),
    )
    .unwrap();
    let never = policy(&["prove", &weaker]).await;
    assert!(
        never.code == 1 && never.stderr.contains(" --> approvals.cedar:"),
        "shown as `check` shows it: {never:?}"
    );
    std::fs::write(
        &path,
        text.replace(
            "when { resource.author == principal };",
            "when { resource.author == principal && resource.guarded };",
        ),
    )
    .unwrap();
    let refuted = policy(&["prove", &weaker, "--against", &dir, "--action", "ApproveChange"]).await;
    assert_eq!(refuted.code, 1, "{refuted:?}");
    // Without counts and versions, which the next edit of the bundle or another solver changes.
    let (head, told) = refuted.stdout.split_once('\n').unwrap();
    assert!(head.contains(" 2 kinds of question, asked of cvc5 "), "{head}");
    let revision = format!("revision {}", interlock_policy::default_bundle().unwrap().revision);
    insta::assert_snapshot!(told.replace(&revision, "revision [now]"));
    let json =
        policy(&["prove", &weaker, "--against", &dir, "--action", "ApproveChange", "--output", "json"]).await;
    assert_eq!(parsed(&json)["against"]["overall"], "looser");
    assert_eq!(parsed(&json)["invariants"][0]["failures"][0]["example"]["kind"]["action"], "ApproveChange");

    std::fs::remove_dir_all(folder.path("weaker/invariants")).unwrap();
    for (require, code) in [("not-looser", 1), ("equivalent", 1), ("not-tighter", 0)] {
        let run =
            policy(&["prove", &weaker, "--against", &dir, "--action", "ApproveChange", "--require", require])
                .await;
        assert_eq!(run.code, code, "{require}: {run:?}");
        assert!(run.stdout.contains("! the invariant invariants.own-change is gone"), "{run:?}");
    }
}

#[tokio::test]
async fn without_a_solver_it_is_said_how_to_get_one_and_with_one_that_hangs_nothing_is_proved() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let dir = started(&folder).await;
    let proved = policy(&["prove", &dir]).await;
    assert!(proved.code == 0 && proved.stdout.contains("proved    promises.own-tenant: "), "{proved:?}");
    let missing = policy(&["prove", &dir, "--solver", "/no/such/cvc5"]).await;
    assert_eq!(missing.code, 4, "{missing:?}");
    assert!(missing.stderr.contains("apt-get install cvc5") && missing.stdout.is_empty(), "{missing:?}");

    let dir = default_bundle(&folder);
    let hangs = folder.put(
        "hangs",
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'This is cvc5 version 1.0.3'; exit 0; fi\nexec sleep 600\n",
    );
    std::fs::set_permissions(&hangs, std::fs::Permissions::from_mode(0o755)).unwrap();
    let silent =
        policy(&["prove", &dir, "--solver", &hangs, "--timeout", "1", "--action", "ApproveChange"]).await;
    assert_eq!(silent.code, 3, "{silent:?}");
    assert!(silent.stdout.contains("UNPROVED  invariants.own-change: "), "{silent:?}");
    assert!(
        silent.stdout.contains("the solver did not answer within 1 s; give it more with --timeout"),
        "{silent:?}"
    );
    for bad in [
        ["--timeout", "0"],
        ["--memory-mb", "1"],
        ["--jobs", "0"],
        ["--action", "Fly"],
        ["--require", "equivalent"],
    ] {
        assert_eq!(policy(&[&["prove", &dir], &bad[..]].concat()).await.code, 2, "{bad:?}");
    }
}

#[tokio::test]
async fn whoever_stops_it_stops_the_solvers_too() {
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::io::AsyncBufReadExt as _;
    let folder = Folder::new();
    let dir = default_bundle(&folder);
    // It keeps the pipe open for as long as it lives.
    let pipe = folder.path("pipe").to_str().unwrap().to_owned();
    assert!(tokio::process::Command::new("mkfifo").arg(&pipe).status().await.unwrap().success());
    let hangs = folder.put(
        "hangs",
        &format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'This is cvc5 version 1.0.3'; exit 0; fi\nexec 3> {pipe}\n\
             echo here >&3\nexec sleep 600\n"
        ),
    );
    std::fs::set_permissions(&hangs, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["policy", "prove", &dir, "--solver", &hangs, "--jobs", "1", "--action", "ApproveChange"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut solver = tokio::io::BufReader::new(tokio::fs::File::open(&pipe).await.unwrap());
    let mut said = String::new();
    solver.read_line(&mut said).await.unwrap();
    assert_eq!(said, "here\n");
    let id = child.id().unwrap().to_string();
    let interrupted = tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().await.unwrap().code(), Some(3));
    // The pipe ends when the solver does.
    assert_eq!(solver.read_line(&mut said).await.unwrap(), 0);
}

#[tokio::test]
async fn an_invariant_that_does_not_fit_is_shown_with_line_and_caret() {
    let folder = Folder::new();
    let dir = started(&folder).await;
    for (text, expected) in [
        (
            "@id(\"i\")\n@reason(\"r\")\nforbid (principal, action == Interlock::Action::\"Fly\", resource);",
            "Fly",
        ),
        ("@id(\"i\")\n@reason(\"r\")\nforbid (principal action, resource);", " | "),
        (
            "@id(\"i\")\nforbid (principal, action == Interlock::Action::\"ReadChange\", resource);",
            "`@reason`",
        ),
        (
            "@id(\"i\")\n@reason(\"r\")\n@mode(\"monitor\")\nforbid (principal, action == \
             Interlock::Action::\"ReadChange\", resource);",
            "an invariant has no `@mode`",
        ),
    ] {
        std::fs::write(folder.path("ours/invariants/ours.cedar"), text).unwrap();
        for command in ["check", "prove"] {
            let run = policy(&[command, &dir]).await;
            assert_eq!(run.code, 1, "{command} {text}: {run:?}");
            assert!(
                run.stderr.contains(" --> invariants/ours.cedar:") && run.stderr.contains(expected),
                "{run:?}"
            );
            assert!(run.stderr.contains("^"), "{run:?}");
        }
    }
}
