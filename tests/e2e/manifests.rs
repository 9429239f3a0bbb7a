//! The manifests of `docs/decision-api.md` are pasted as they are: each parses, and the one of a kind that Kubernetes has is
//! held against its schema (`kubernetes-validate` of PyPI). Flagger and Argo Rollouts are in no registry, nor are their schemas.

use std::{fs, path::Path, process::Command};

const VALIDATOR: &str = "kubernetes-validate==1.37.0";

/// Ends with what went wrong.
fn run(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; install python3-venv"));
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {said}");
    said.into_owned()
}

#[test]
fn the_manifests_for_other_engines_parse_and_kubernetes_takes_its_own() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decision-api.md")).unwrap();
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 4, "one for each engine");
    let dir = tempfile::tempdir().unwrap();
    let venv = dir.path().join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    run(Command::new(venv.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        VALIDATOR,
    ]));
    let mut checked = 0;
    for (index, block) in blocks.into_iter().enumerate() {
        let file = dir.path().join(format!("{index}.yaml"));
        fs::write(&file, block).unwrap();
        let parse = "import sys, yaml; yaml.safe_load(open(sys.argv[1]))";
        run(Command::new(venv.join("bin/python")).args(["-c", parse]).arg(&file));
        if block.contains("kind: ValidatingWebhookConfiguration") {
            let said = run(Command::new(venv.join("bin/kubernetes-validate")).arg("--strict").arg(&file));
            assert!(said.contains("passed"), "{said}");
            checked += 1;
        }
    }
    assert_eq!(checked, 1);
}
