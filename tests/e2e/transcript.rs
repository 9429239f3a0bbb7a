//! The transcript in `docs/plugins.md` is typed here, line by line, and must say what it says there.
//!
//! A block of the language `console` holds commands behind `$ `, and what each prints. `...` alone in a line stands for any
//! number of lines, `[..]` for any part of a line; `? 1` before the output is an exit code other than 0. All commands run in
//! one shell, in a folder of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use snapbox::{Assert, IntoData as _};

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
            if let Some(more) = line.strip_prefix("> ") {
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

#[test]
fn the_guide_for_plugins_leads_from_nothing_to_a_tested_gate() {
    let folder = tempfile::tempdir().unwrap();
    let program = crate::program::interlock();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let typist = Typist {
        folder: folder.path().to_owned(),
        variables: vec![("PATH".to_owned(), path)],
        instead: Vec::new(),
    };
    typist.types(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins.md"), "From nothing");
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
