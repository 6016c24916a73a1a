//! What does it cost to run a program that does nothing, for each of many items?
//!
//! The command is the one that stands beside this program: `cargo build --release -p cordial-cli` puts it there. Where it or the peer is
//! missing, the row shows no number for it.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::measure::{Bench, Pair, now};

const ITEMS: u32 = 5000;
const MANY: u32 = 100_000;

/// 5000 × `true`, two at a time.
pub(crate) fn xargs_2(_: &Bench) -> Pair {
    pair("2", xargs)
}

/// 5000 × `true`, sixteen at a time.
pub(crate) fn xargs_16(_: &Bench) -> Pair {
    pair("16", xargs)
}

pub(crate) fn parallel_2(_: &Bench) -> Pair {
    pair("2", parallel)
}

pub(crate) fn parallel_16(_: &Bench) -> Pair {
    pair("16", parallel)
}

/// The most memory that we had at any time.
pub(crate) fn memory_of_many(_: &Bench) -> Pair {
    Pair { ours: peak(MANY), peer: peak(ITEMS) }
}

fn pair(at_once: &str, peer: fn(&str) -> Command) -> Pair {
    Pair { ours: time(ours(at_once)), peer: time(peer(at_once)) }
}

fn ours(at_once: &str) -> Command {
    let own = std::env::current_exe().unwrap_or_default();
    let mut command = Command::new(own.parent().map(|folder| folder.join("cordial")).unwrap_or_default());
    command.args(["map", "-c", at_once, "true"]);
    command
}

fn xargs(at_once: &str) -> Command {
    let mut command = Command::new("xargs");
    command.args(["-n1", "-P", at_once, "true"]);
    command
}

fn parallel(at_once: &str) -> Command {
    let mut command = Command::new("parallel");
    command.args(["-j", at_once, "true"]);
    command
}

/// Seconds for all items; no number if there is no such program.
fn time(mut command: Command) -> f64 {
    let started = now();
    match feed(&mut command, ITEMS, |_| {}) {
        Some(()) => started.elapsed().as_secs_f64(),
        None => f64::NAN,
    }
}

/// Bytes, looked at until the end. Linux only; elsewhere the row shows nothing.
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

/// Runs a command with so many lines as its input.
fn feed(command: &mut Command, items: u32, mut look: impl FnMut(u32)) -> Option<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut input = child.stdin.take()?;
    for item in 1..=items {
        writeln!(input, "{item}").ok()?;
        if item.is_multiple_of(1000) {
            look(child.id());
        }
    }
    drop(input);
    while child.try_wait().ok()?.is_none() {
        look(child.id());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.stdout.take()?.read_to_end(&mut Vec::new()).ok()?;
    Some(())
}
