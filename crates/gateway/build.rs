//! Puts the pages of `docs/errors` into the program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    // Asked now: two checkouts that share a target directory share this program, too.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let folder = Path::new(&package).join("../../docs/errors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut pages: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    let mut text =
        String::from("/// Pages by code, sorted.\npub(crate) const PAGES: &[(&str, &str)] = &[\n");
    for path in pages {
        let code = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if code != "README" {
            let _ =
                writeln!(text, "    ({code:?}, include_str!({:?})),", path.display().to_string());
        }
    }
    text.push_str("];\n");
    let index = folder.join("README.md").display().to_string();
    let _ = writeln!(
        text,
        "/// The page that lists them.\nconst INDEX: &str = include_str!({index:?});"
    );
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    std::fs::write(Path::new(&out).join("error_pages.rs"), text)
}
