//! `interlock plugin build`

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use clap::Args;
use interlock_sandbox::Place;
use interlock_toolchain::{Project, ToolchainError, build};
use interlock_workshop::Checked;
use serde_json::json;

use super::{json, look_at};
use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The plugin's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where the component goes; `NAME.wasm` in the folder when absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Build {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        // Compilers run in the plugin's folder, and are told the way there.
        let dir = fs::canonicalize(&self.dir).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::local(ToolchainError::NoProject { dir: self.dir.clone() }),
            _ => Failure::file(&self.dir, &error),
        })?;
        // Before anybody waits for a compiler.
        self.out.as_deref().map_or(Ok(()), is_a_place)?;
        let project = Project::open(&dir).map_err(Failure::local)?;
        eprintln!("building {} ({})", project.name, project.language);
        let wasm = build(&project).map_err(Failure::local)?;
        let looked = look_at(wasm).await?;
        let checked = Checked::new(&looked.wasm, looked.examination, &looked.limits).await;
        if let Some(refused) = &checked.refused {
            let advice: Vec<String> = checked.advice.iter().map(|advice| format!("\n  {advice}")).collect();
            return Err(Failure::Refused(format!(
                "`{}` is built, but a server would refuse it, so it is not written: {refused}{}",
                project.name,
                advice.concat()
            )));
        }
        // The folder may be called otherwise than the plugin.
        let name = checked.plugin.as_ref().map_or(&project.name, |about| &about.name);
        let out = self.out.unwrap_or_else(|| self.dir.join(name).with_extension("wasm"));
        write(&out, &looked.wasm)?;
        print(&out, &checked, format)?;
        Ok(Outcome::Done)
    }
}

/// Whole or not at all: a server may be reading the folder.
fn write(out: &Path, wasm: &[u8]) -> Result<(), Failure> {
    let unfinished = out.with_extension("wasm.part");
    fs::write(&unfinished, wasm).map_err(|error| Failure::file(&unfinished, &error))?;
    fs::rename(&unfinished, out).map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        Failure::file(out, &error)
    })
}

/// Whether a file can be written there, as far as one sees.
fn is_a_place(out: &Path) -> Result<(), Failure> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = out.display();
    if out.is_dir() {
        return Err(Failure::Usage(format!("`{shown}` is a folder; say which file in it with `--out`")));
    }
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(Failure::Usage(format!(
            "`{shown}` cannot be written: `{folder}` is no folder; make it first"
        )));
    }
    Ok(())
}

fn print(out: &Path, checked: &Checked, format: Format) -> Result<(), Failure> {
    let imports =
        checked.parts.iter().filter(|part| matches!(part.part.place, Place::Import | Place::StandIn));
    let imports: Vec<&str> = imports.map(|part| part.part.name.as_str()).collect();
    let mut body = json!({ "file": out, "bytes": checked.size_bytes, "digest": json(&checked.digest)?,
        "imports": imports, "advice": checked.advice });
    if let (Some(body), Some(about)) = (body.as_object_mut(), &checked.plugin) {
        body.insert("name".to_owned(), about.name.as_str().into());
        body.insert("version".to_owned(), about.version.as_str().into());
        body.insert("kind".to_owned(), json(&about.kind)?);
    }
    let fields = [
        ("file", "/file"),
        ("name", "/name"),
        ("version", "/version"),
        ("kind", "/kind"),
        ("bytes", "/bytes"),
        ("digest", "/digest"),
        ("imports", "/imports"),
    ];
    output::record(&body, &fields, format)?;
    if format == Format::Table {
        for advice in &checked.advice {
            sayln!("advice: {advice}");
        }
    }
    Ok(())
}
