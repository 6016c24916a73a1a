//! Runs that are killed by SIGKILL at any moment, and continued from their joblog.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::harness::{TestDir, cordial};

/// How often a run is killed; `CORDIAL_KILLS` sets another number, and then the times of the ends are checked as well.
const KILLS: usize = 60;

/// An item whose command ended this long before the kill must be in the joblog.
const MAX_UNRECORDED: f64 = 0.005;

const ITEMS: usize = 40;

/// Logs start and end of an item, which takes 5 to 100 ms. Only bash has the time.
const SCRIPT: &str = r#"echo "start $1 $CORDIAL_SLOT" >> "$RAN"; sleep "$(printf 0.%03d $((5 + $1 * 37 % 95)))"; echo "end $1 $CORDIAL_SLOT $EPOCHREALTIME" >> "$RAN""#;

/// The log that the commands of one run have written.
struct Ran {
    lines: Vec<(String, usize, usize, f64)>,
}

impl Ran {
    fn read(dir: &TestDir, name: &str) -> Ran {
        let text = fs::read_to_string(dir.path(name)).unwrap_or_default();
        let parse = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            let time = fields.get(3).and_then(|time| time.parse().ok()).unwrap_or(0.0);
            (fields[0].to_owned(), fields[1].parse().unwrap(), fields[2].parse().unwrap(), time)
        };
        Ran { lines: text.lines().map(parse).collect() }
    }

    /// Returns the items that have ended, each with its slot and its time.
    fn ends(&self) -> HashMap<usize, (usize, f64)> {
        let ends = self.lines.iter().filter(|(what, ..)| what == "end");
        ends.map(|(_, item, slot, time)| (*item, (*slot, *time))).collect()
    }

    /// Returns whether another item was started in the slot of an item after that item had ended.
    fn is_slot_used_again(&self, item: usize, slot: usize) -> bool {
        let end = self.lines.iter().position(|(what, other, ..)| what == "end" && *other == item).unwrap();
        self.lines[end..].iter().any(|(what, _, other, _)| what == "start" && *other == slot)
    }
}

/// Returns the items that a joblog holds.
fn recorded(dir: &TestDir, log: &str) -> Vec<usize> {
    let text = fs::read_to_string(dir.path(log)).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().skip(1).map(|line| line.rsplit("\t# ").next().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_killed_run_loses_no_record_and_skips_no_item() {
    let kills = std::env::var("CORDIAL_KILLS").ok().map(|number| number.parse().unwrap());
    let shell = if kills.is_some() { "bash" } else { "sh" };
    let dir = TestDir::new();
    let (mut log, mut finished, mut n_again, mut late) = (0, HashSet::new(), 0, Vec::new());
    for run in 0..kills.unwrap_or(KILLS) {
        let (ran, joblog) = (format!("ran{run}"), format!("log{log}"));
        let slots = fastrand::usize(1..=16).to_string();
        let mut child = cordial()
            .args(["map", "--resume", "--joblog", dir.path(&joblog).to_str().unwrap(), "-c", &slots])
            .args([shell, "-c", SCRIPT, "sh", "{}", ":::"])
            .args((0..ITEMS).map(|item| item.to_string()))
            .env("RAN", dir.path(&ran))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros(fastrand::u64(0..200_000)));
        let killed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        // The guard has killed the commands when its end of the pipe of standard error is closed.
        assert!(output.status.signal() == Some(9) || output.status.code() == Some(0), "{} {stderr}", output.status);
        let (ran, records) = (Ran::read(&dir, &ran), recorded(&dir, &joblog));
        let ends = ran.ends();
        let again: Vec<_> =
            ran.lines.iter().filter(|(what, item, ..)| what == "start" && finished.contains(item)).collect();
        assert!(again.is_empty(), "{again:?} were recorded and ran again");
        for item in &records {
            assert!(finished.contains(item) || ends.contains_key(item), "{item} is recorded and has not ended");
        }
        finished = records.iter().copied().collect();
        assert_eq!(finished.len(), records.len(), "an item is recorded twice");
        for (item, (slot, time)) in ends.into_iter().filter(|(item, _)| !finished.contains(item)) {
            assert!(!ran.is_slot_used_again(item, slot), "{item} was not recorded before its slot was used again");
            let before = killed - time;
            if before > MAX_UNRECORDED {
                late.push(format!("{:.1} ms", before * 1000.0));
            }
            n_again += 1;
        }
        if finished.len() == ITEMS {
            (log, finished) = (log + 1, HashSet::new());
        }
    }
    if kills.is_some() {
        let n_late = late.len();
        let text = format!(
            "{log} lists were finished; {n_again} items had ended and were not recorded, {n_late} of them more than 5 ms before: {late:?}"
        );
        // Standard error directly, because libtest hides what a successful test prints.
        let _ = writeln!(io::stderr(), "{text}");
        assert_eq!(n_late, 0, "on an idle machine, none is late");
    }
}
