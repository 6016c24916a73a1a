//! Counts the lines of many files in parallel, four at a time, with a timeout of one second for each file.
//! Takes the files as arguments; without arguments, takes the entries of the current folder.
//!
//! A file that cannot be read or takes too long does not affect the other files.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io};

use cordial::{Exit, Task};

/// Blocks its thread, as `std::fs` does. The other tasks run on other threads.
async fn count_lines(path: PathBuf) -> io::Result<usize> {
    Ok(fs::read_to_string(path)?.lines().count())
}

fn paths() -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = env::args().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        paths = fs::read_dir(".")?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort();
    }
    Ok(paths)
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let paths = paths()?;
        let counts = Task::async_stream(paths.clone(), count_lines).max_concurrency(4).timeout(Duration::from_secs(1));
        for (path, count) in paths.iter().zip(counts.collect().await) {
            match count {
                Ok(Ok(count)) => println!("{count:6}  {}", path.display()),
                Ok(Err(error)) => println!("     -  {}: {error}", path.display()),
                Err(exit) => println!("     -  {}: {exit}", path.display()),
            }
        }
        Ok::<(), Exit>(())
    })
}
