//! The text files of this repository.

use std::fs;
use std::path::Path;

/// The folder of Git, and the folders that `.gitignore` names. Another build folder is recognized
/// by the tag that cargo writes; `target` may have been created by another program, and then has no
/// tag.
const SKIPPED: [&str; 3] = [".git", "target", "bench/results"];

/// Reads every text file, except those that Git or a build created. Returns each with its path from
/// the root of the repository.
pub(crate) fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    read_into(&mut files, &root, &root);
    assert!(files.iter().any(|(path, _)| path == "crates/cordial/src/lib.rs"), "the repository was not found");
    files
}

fn read_into(files: &mut Vec<(String, String)>, root: &Path, folder: &Path) {
    for entry in fs::read_dir(folder).expect("the repository is readable") {
        let path = entry.expect("the repository is readable").path();
        let name = path.strip_prefix(root).expect("the path is below the root").to_string_lossy().replace('\\', "/");
        if SKIPPED.contains(&&*name) || path.join("CACHEDIR.TAG").exists() {
            continue;
        } else if path.is_dir() {
            read_into(files, root, &path);
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.push((name, text));
        }
    }
}
