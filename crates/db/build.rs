//! Embeds `migrations/*.sql` as a sorted list.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    // Asked now: two checkouts that share a target directory share this program, too.
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let folder = Path::new(&package).join("../../migrations");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();

    let mut text = String::from(
        "/// Every migration, sorted by number.\npub const MIGRATIONS: &[Migration] = &[\n",
    );
    let mut last = 0;
    for path in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8");
        let number: i32 = name
            .split_once("__")
            .and_then(|(number, _)| number.parse().ok())
            .unwrap_or_else(|| panic!("{name}: call it NNNN__owner__verb_phrase.sql"));
        assert!(number > last, "{name}: number {number} is taken twice");
        last = number;
        let path = path.canonicalize().expect("a file that exists");
        writeln!(
            text,
            "    Migration {{ number: {number}, name: {name:?}, text: include_str!({path:?}) }},"
        )
        .expect("writing to a string");
    }
    text.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));
    std::fs::write(out.join("migrations.rs"), text).expect("a writable OUT_DIR");
}
