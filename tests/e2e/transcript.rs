//! The transcripts in `docs/plugins.md` and `docs/policies.md` are typed here, line by line, and must say what they say there.
//!
//! A block of the language `console` holds commands behind `$ `, and what each prints. `...` alone in a line stands for any
//! number of lines, `[..]` for any part of a line; `? 1` before the output is an exit code other than 0. All commands run in
//! one shell, in a folder of their own. `> ` continues a command.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use interlock_tests::{Hospital, TENANT};
use snapbox::{Assert, IntoData as _};

use crate::program;

/// One command and what comes of it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    code: i32,
    output: String,
}

/// The steps of all blocks of a section.
fn steps(section: &str) -> Vec<Step> {
    let blocks = section.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks {
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step { command: command.to_owned(), code: 0, output: String::new() });
                continue;
            }
            let Some(step) = steps.last_mut() else { panic!("output before any command: {line}") };
            if let Some(more) = line.strip_prefix("> ").or((line == ">").then_some("")) {
                step.command.push('\n');
                step.command.push_str(more);
            } else if let Some(code) = line.strip_prefix("? ") {
                step.code = code.parse().unwrap();
            } else {
                step.output.push_str(line);
                step.output.push('\n');
            }
        }
    }
    steps
}

/// A transcript and where it is typed.
pub(crate) struct Typist {
    /// The shell's folder.
    pub(crate) folder: PathBuf,
    /// Variables of the shell.
    pub(crate) variables: Vec<(String, String)>,
    /// What stands in the document, and what it is here: addresses and the like.
    pub(crate) instead: Vec<(String, String)>,
}

impl Typist {
    /// Types every step of a section, and compares what comes of each.
    pub(crate) fn types(&self, document: &Path, section: &str) {
        let text = fs::read_to_string(document).unwrap();
        let section = text.split("\n## ").find_map(|text| text.strip_prefix(section)).expect(section);
        let steps = steps(section);
        assert!(!steps.is_empty(), "the section holds no command");
        let results = self.run(&steps);
        let mut wrong = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let Some((code, output)) = results.get(index) else {
                wrong
                    .push(format!("$ {}\nwas not reached: an earlier command ended the shell", step.command));
                break;
            };
            if *code != step.code {
                wrong.push(format!(
                    "$ {}\nended with {code} instead of {}:\n{output}",
                    step.command, step.code
                ));
            }
            // `...` matches whole lines, so that the last one must be whole too.
            let whole = |text: &str| format!("{}\n", text.trim_end()).into_data();
            let same = Assert::new().try_eq(None, whole(output), whole(&step.output));
            if let Err(error) = same {
                wrong.push(format!("$ {}\n{error}\nall of it:\n{output}", step.command));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }

    /// Exit code and output of each step that was reached.
    fn run(&self, steps: &[Step]) -> Vec<(i32, String)> {
        const END: &str = "\u{1}end of step";
        let mut script = String::from("exec 2>&1 < /dev/null\n");
        for step in steps {
            script.push_str(&self.here(&step.command));
            script.push_str(&format!("\nprintf '%s %d\\n' '{END}' $?\n"));
        }
        let run = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&self.folder)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        let mut results = Vec::new();
        let mut rest = said.as_str();
        while let Some((output, after)) = rest.split_once(END) {
            let (code, after) = after.split_once('\n').unwrap_or((after, ""));
            results.push((code.trim().parse().unwrap(), self.there(output.trim_end())));
            rest = after;
        }
        results
    }

    fn here(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    fn there(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (there, here)| text.replace(here, there))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_for_plugins_leads_from_nothing_to_a_denied_firmware() {
    let folder = tempfile::tempdir().unwrap();
    let signers = folder.path().join("signers");
    fs::create_dir(&signers).unwrap();
    let registry = interlock_registry::testing::DockerRegistry::start().unwrap();
    let mut setup = program::quick();
    setup.config.push_str(&format!(
        "[plugins]\ntrusted_signers_dir = \"{0}\"\n[plugins.registry]\nhosts = [\"{1}\"]\nplain_http = [\"{1}\"]\n",
        signers.display(),
        registry.host
    ));
    let hospital = Hospital::open(setup, 1).await.unwrap();
    hospital.push("2.0.0", 2).await.unwrap();

    let path = program::interlock().parent().unwrap().display().to_string();
    let variables = [
        ("PATH", format!("{path}:{}", std::env::var("PATH").unwrap())),
        ("SIGNERS", signers.display().to_string()),
        ("INTERLOCK_URL", hospital.server.url.clone()),
        ("INTERLOCK_TENANT", TENANT.to_owned()),
        ("INTERLOCK_KEY", hospital.ana.key.clone()),
        ("BEN", hospital.ben.key.clone()),
        ("CARLA", hospital.carla.key.clone()),
    ];
    let typist = Typist {
        folder: folder.path().to_owned(),
        variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        instead: vec![("registry.example:5000".to_owned(), registry.host.clone())],
    };
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins.md");
    tokio::task::spawn_blocking(move || typist.types(&guide, "From nothing")).await.unwrap();
    hospital.verify_ledger().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_for_policies_leads_a_hospital_from_the_default_bundle_to_one_of_its_own_in_force_and_back()
{
    let mut setup = program::quick();
    setup.config.push_str(&format!("[policies.home]\ntenant = \"{TENANT}\"\nenvironment = \"production\"\n"));
    let hospital = Hospital::open(setup, 1).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copied = Command::new("cp").arg("-r").arg(root.join("policies")).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let path = program::interlock().parent().unwrap().display().to_string();
    let variables = [
        ("PATH", format!("{path}:{}", std::env::var("PATH").unwrap())),
        ("INTERLOCK_URL", hospital.server.url.clone()),
        ("INTERLOCK_TENANT", TENANT.to_owned()),
        ("INTERLOCK_KEY", hospital.ana.key.clone()),
        ("BEN", hospital.ben.key.clone()),
        ("CARLA", hospital.carla.key.clone()),
    ];
    let typist = Typist {
        folder: folder.path().to_owned(),
        variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        instead: Vec::new(),
    };
    let guide = root.join("docs/policies.md");
    tokio::task::spawn_blocking(move || typist.types(&guide, "From nothing to Monday")).await.unwrap();
    hospital.verify_ledger().await.unwrap();
}

#[test]
fn a_transcript_is_commands_each_with_what_comes_of_it() {
    let section = "words\n```console\n$ echo a; \\\n> echo b\na\nb\n$ false\n? 1\n\n```\nmore\n```console\n$ cd /\n```\n";
    let step = |command: &str, code, output: &str| Step {
        command: command.to_owned(),
        code,
        output: output.to_owned(),
    };
    assert_eq!(
        steps(section),
        [step("echo a; \\\necho b", 0, "a\nb\n"), step("false", 1, "\n"), step("cd /", 0, "")]
    );
}

#[test]
fn what_a_shell_says_is_compared_step_by_step_with_wildcards() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("guide.md");
    let typist = |folder: &Path| Typist {
        folder: folder.to_owned(),
        variables: vec![("WHO".to_owned(), "nobody".to_owned())],
        instead: vec![("127.0.0.1:8080".to_owned(), "127.0.0.1:4711".to_owned())],
    };
    let types = |text: &str| {
        fs::write(&document, text).unwrap();
        let typed = std::panic::catch_unwind(|| typist(folder.path()).types(&document, "Guide"));
        typed.map_err(|error| error.downcast_ref::<String>().cloned().unwrap_or_default())
    };
    let good = "# Title\n\n## Guide\n```console\n$ mkdir x; cd x; x=$WHO\n$ echo $x at 127.0.0.1:8080 in $PWD; seq 5\n\
                nobody at 127.0.0.1:8080 in [..]/x\n1\n...\n5\n$ ls missing\n? 2\n[..]missing[..]\n```\n";
    types(good).unwrap();
    let said = types(&good.replace("[..]/x\n1", "[..]/y\n1")).unwrap_err();
    assert!(said.contains("nobody at"), "{said}");
    let said = types(&good.replace("? 2\n", "")).unwrap_err();
    assert!(said.contains("ended with 2 instead of 0"), "{said}");
    let said = types(&good.replace("ls missing", "exit 2")).unwrap_err();
    assert!(said.contains("was not reached"), "{said}");
}
