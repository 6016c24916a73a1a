//! Hashes all files below a folder (default: the current one), with a progress bar. Skips hidden files and `target`.
//! Tasks may block and compute: each reads a file with `std::fs`, and hashes it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::io::{self, Read};
use std::{env, fs::File, path::PathBuf, time::Duration};

use cordial::{Exit, Task};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

async fn hash(path: PathBuf) -> io::Result<(u64, [u8; 32])> {
    let (mut file, mut chunk) = (File::open(path)?, vec![0; 1 << 16]);
    let (mut hasher, size) = (Sha256::new(), file.metadata()?.len());
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((size, hasher.finalize().into())),
            n_read => hasher.update(&chunk[..n_read]),
        }
        cordial::checkpoint(); // ends the task here if its timeout has elapsed
    }
}

fn is_included(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.depth() == 0 || !(name.starts_with('.') || name == "target")
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let folder = env::args_os().nth(1).unwrap_or(".".into());
        let entries = WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(is_included);
        let entries = entries.filter_map(|entry| entry.inspect_err(|error| eprintln!("{error}")).ok());
        let files = entries.filter(|entry| entry.file_type().is_file()).map(DirEntry::into_path);
        let files: Vec<PathBuf> = files.collect(); // collected first, because the bar needs their number

        let bar = ProgressBar::new(files.len() as u64);
        let mut hashes = Task::async_stream(files, hash).timeout(Duration::from_secs(60)).or_exit().zip_input_on_exit();
        let progress = hashes.progress();
        // Results come in the order of the files, so the hash over all of them does not depend on timing.
        let (mut total, mut n_bytes) = (Sha256::new(), 0);
        while let Some(hash) = hashes.next().await {
            match hash {
                Ok((size, hash)) => {
                    total.update(hash);
                    n_bytes += size;
                }
                Err(failure) => bar.println(format!("{}: {}", failure.input.display(), failure.exit)),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let text: String = total.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{text}  {} files, {n_bytes} bytes, {} failed", progress.succeeded(), progress.failed());
        Ok::<(), Exit>(())
    })
}
