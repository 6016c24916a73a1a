//! Counts the lines of many files in parallel: four at a time, one second each. Without arguments: what is in the current folder.
//!
//! A file that cannot be read, and one that takes too long, is a failure beside the successes. The others go on.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io};

use cordial::{Exit, Task};

/// May block, as the standard library does: the other tasks go on.
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

fn main() -> Result<(), Exit> {
    cordial::run(async {
        let paths = paths()?;
        let counts = Task::async_stream(paths.clone(), count_lines).max_concurrency(4).timeout(Duration::from_secs(1));
        for (path, count) in paths.iter().zip(counts.collect().await) {
            match count {
                Ok(Ok(count)) => println!("{count:6}  {}", path.display()),
                Ok(Err(error)) => println!("     -  {}: {error}", path.display()),
                Err(exit) => println!("     -  {}: {exit}", path.display()),
            }
        }
        Ok(())
    })?
}
