//! Lists the SDK's files, so that `interlock plugin new` can put them into a project. The SDK is not published yet.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const CRATES: [&str; 2] = ["sdk", "sdk-macros"];

fn main() -> io::Result<()> {
    let plugins = Path::new("../../plugins");
    println!("cargo::rerun-if-changed=build.rs");
    let mut list = String::from(
        "/// The SDK's files, by their place in a project.\npub(crate) const SDK: &[(&str, &str)] = &[\n",
    );
    for name in CRATES {
        let mut files = vec![plugins.join(name).join("Cargo.toml")];
        collect(&plugins.join(name).join("src"), &mut files)?;
        for file in files {
            let Some(inside) = file.strip_prefix(plugins).ok().and_then(Path::to_str) else { continue };
            // Found again by the compiler from the crate's own folder, also in another checkout with the same build output.
            let _ = writeln!(
                list,
                "    ({:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),",
                format!("vendor/{inside}"),
                format!("/../../plugins/{inside}")
            );
        }
    }
    list.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("sdk.rs");
    fs::write(out, list)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // Cargo looks at a folder's files and those below it.
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut entries = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
