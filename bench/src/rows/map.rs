//! What does it cost to run a program that does nothing, once for each of many items?
//!
//! `cordial` is taken from the folder of this program, where `cargo build --release -p cordial-cli` puts it. If
//! `cordial` or the peer is missing, the row has no number for it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::measure::{Bench, Pair, now};
use crate::subprocess::measure;

const ITEMS: u32 = 5000;
const MANY: u32 = 100_000;
const PIPE_BYTES: usize = 1_000_000_000;

/// 5000 × `true`, 2 at a time.
pub(crate) fn xargs_2(_: &Bench) -> Pair {
    pair("2", xargs)
}

/// 5000 × `true`, 16 at a time.
pub(crate) fn xargs_16(_: &Bench) -> Pair {
    pair("16", xargs)
}

pub(crate) fn parallel_2(_: &Bench) -> Pair {
    pair("2", parallel)
}

pub(crate) fn parallel_16(_: &Bench) -> Pair {
    pair("16", parallel)
}

/// The same, compared with two bare threads that only start the commands and wait for them.
pub(crate) fn bare_2(_: &Bench) -> Pair {
    Pair { ours: time(ours("2")), peer: measure(&format!("commands {ITEMS}")) }
}

pub(crate) fn bare_16(_: &Bench) -> Pair {
    Pair { ours: time(ours("16")), peer: measure(&format!("commands {ITEMS}")) }
}

/// The system calls of `map` by two bare threads, compared with two that only start the commands and wait for them.
pub(crate) fn bare_calls(_: &Bench) -> Pair {
    Pair { ours: measure(&format!("commands as map {ITEMS}")), peer: measure(&format!("commands {ITEMS}")) }
}

/// The same items with a joblog, compared with none.
pub(crate) fn records(_: &Bench) -> Pair {
    let joblog = std::env::temp_dir().join(format!("cordial-bench-{}", std::process::id()));
    let mut recorded = program();
    recorded.args(["map", "-c", "2", "--joblog"]).arg(&joblog).arg("true");
    let pair = Pair { ours: time(recorded), peer: time(ours("2")) };
    let _ = fs::remove_file(joblog);
    pair
}

/// The bytes per second through `--pipe wc -l`.
pub(crate) fn pipe(_: &Bench) -> Pair {
    let Ok(mut file) = tempfile() else { return Pair { ours: f64::NAN, peer: f64::NAN } };
    let mut rate = |mut command: Command| {
        file.rewind().ok()?;
        let started = now();
        let status = command.stdin(file.try_clone().ok()?).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        status.success().then(|| PIPE_BYTES as f64 / started.elapsed().as_secs_f64())
    };
    let mut ours = program();
    ours.args(["map", "--pipe", "wc", "-l"]);
    let mut parallel = Command::new("parallel");
    parallel.args(["--pipe", "wc", "-l"]);
    Pair { ours: rate(ours).unwrap_or(f64::NAN), peer: rate(parallel).unwrap_or(f64::NAN) }
}

/// Returns an unnamed file with `PIPE_BYTES` bytes of numbered lines.
fn tempfile() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("cordial-bench-pipe-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(path)?;
    let mut writer = BufWriter::new(&file);
    let mut written = 0;
    for n in 1_u64.. {
        let line = format!("{n}\n");
        written += line.len();
        writer.write_all(line.as_bytes())?;
        if written >= PIPE_BYTES {
            break;
        }
    }
    writer.flush()?;
    drop(writer);
    Ok(file)
}

/// The peak memory of `cordial map` for 100 k items, compared with 5 k items.
pub(crate) fn memory_of_many(_: &Bench) -> Pair {
    Pair { ours: peak(MANY), peer: peak(ITEMS) }
}

fn pair(concurrency: &str, peer: fn(&str) -> Command) -> Pair {
    Pair { ours: time(ours(concurrency)), peer: time(peer(concurrency)) }
}

pub(super) fn program() -> Command {
    let program = std::env::current_exe().unwrap_or_default();
    Command::new(program.parent().map(|folder| folder.join("cordial")).unwrap_or_default())
}

fn ours(concurrency: &str) -> Command {
    let mut command = program();
    command.args(["map", "-c", concurrency, "true"]);
    command
}

fn xargs(concurrency: &str) -> Command {
    let mut command = Command::new("xargs");
    command.args(["-n1", "-P", concurrency, "true"]);
    command
}

fn parallel(concurrency: &str) -> Command {
    let mut command = Command::new("parallel");
    command.args(["-j", concurrency, "true"]);
    command
}

/// Returns the seconds for all items, or NaN if the program cannot be started.
fn time(mut command: Command) -> f64 {
    let started = now();
    match feed(&mut command, ITEMS, |_| {}) {
        Some(()) => started.elapsed().as_secs_f64(),
        None => f64::NAN,
    }
}

/// Returns the peak memory in bytes, sampled until the program exits. Linux only; elsewhere NaN.
fn peak(items: u32) -> f64 {
    let mut peak = f64::NAN;
    let _ = feed(&mut ours("16"), items, |id| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        peak = kib.map_or(peak, |kib| kib * 1024.0);
    });
    peak
}

/// Runs a command with `items` lines of input. Calls `sample` with its process id now and then. Returns `None` if it
/// cannot be started.
pub(super) fn feed(command: &mut Command, items: u32, mut sample: impl FnMut(u32)) -> Option<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut input = child.stdin.take()?;
    for item in 1..=items {
        writeln!(input, "{item}").ok()?;
        if item.is_multiple_of(1000) {
            sample(child.id());
        }
    }
    drop(input);
    while child.try_wait().ok()?.is_none() {
        sample(child.id());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.stdout.take()?.read_to_end(&mut Vec::new()).ok()?;
    Some(())
}
