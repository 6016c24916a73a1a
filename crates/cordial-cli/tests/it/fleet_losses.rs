//! A long list on a fleet that loses a worker, then its submitter, then another worker. The results are the same as on one machine.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::fleet::{Fleet, Submitter, numbers};
use crate::harness::{cordial, wait_until};

/// How many items there are; `CORDIAL_FLEET_ITEMS` sets another number.
const ITEMS: u32 = 300;

/// How many runs the loss of the two workers may repeat: those in the slots of the killed and of the frozen worker, and for each slot
/// one whose reply was on its way.
const LOST_SLOTS: usize = 8;

/// How many items the command sends ahead. A killed submitter has not recorded them, so a resumed one sends them again.
const SENT_AHEAD: usize = 64;

/// Logs the run of an item, and prints to both streams. Every seventh item fails in its first attempt. On the fleet, `$3` is a directory: the
/// first six items wait for each other, so that each of three workers with two slots runs two of them; those after `$4` wait until the
/// list was resumed, and those after `$5` until a worker was frozen.
const SCRIPT: &str = concat!(
    r#"[ -z "$3" ] || { echo >> "$3/running"; until [ "$(wc -l < "$3/running")" -ge 6 ]; do sleep 0.02; done; "#,
    r#"[ "$1" -le "$4" ] || until [ -e "$3/is-resumed" ]; do sleep 0.02; done; "#,
    r#"[ "$1" -le "$5" ] || until [ -e "$3/is-frozen" ]; do sleep 0.02; done; }; "#,
    r#"echo "$1 $CORDIAL_ATTEMPT" >> "$2"; seq "$1"; echo "error $1" >&2; sleep 0.02; "#,
    r#"[ $(($1 % 7)) -ne 3 ] || [ "$CORDIAL_ATTEMPT" -ne 1 ]"#,
);

/// The state that all runs of the list share.
struct List<'a> {
    fleet: &'a Fleet,
    n: u32,
    items: &'a str,
}

impl List<'_> {
    fn path(&self, name: &str) -> String {
        self.fleet.dir.path().join(name).display().to_string()
    }

    /// The options and the command, which logs the runs to `ran` and is recorded in `name.log` and `name.results`.
    fn args(&self, name: &str) -> Vec<String> {
        let records =
            ["--joblog", &self.path(&format!("{name}.log")), "--results", &self.path(&format!("{name}.results"))];
        let command = ["--retries", "2", "sh", "-c", SCRIPT, "sh", "{}", &self.path(&format!("{name}.ran"))];
        let waits = match name {
            "fleet" => [self.path("."), (self.n / 2).to_string(), (self.n / 6 * 5).to_string()],
            _ => [(); 3].map(|()| String::new()),
        };
        records.into_iter().chain(command).map(str::to_owned).chain(waits).collect()
    }

    /// Starts the list with these options, with its output in a file.
    fn start(&self, name: &str, output: &str, options: &[&str]) -> Submitter {
        fs::write(self.path("items"), self.items).unwrap();
        Submitter::start(
            cordial()
                .arg("map")
                .args(options)
                .args(self.args(name))
                .stdin(File::open(self.path("items")).unwrap())
                .stdout(File::create(self.path(output)).unwrap())
                .stderr(Stdio::piped()),
        )
    }

    /// Starts the list on the fleet.
    fn send(&self, output: &str, options: &[&str]) -> Submitter {
        self.start("fleet", output, &[&["--nats", &self.fleet.url, "--group", "build"], options].concat())
    }

    /// The lines of the joblog of the fleet, each as its machine and its item.
    fn recorded(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.path("fleet.log")).unwrap_or_default();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let line = |line: &str| {
            let host = line.split('\t').nth(1).unwrap().to_owned();
            (host, line.rsplit("\t# ").next().unwrap().to_owned())
        };
        whole.lines().skip(1).map(line).collect()
    }

    fn wait_recorded(&self, n: usize) {
        wait_until(&format!("{n} items are recorded"), || self.recorded().len() >= n);
    }

    fn wait_recorded_by(&self, host: &str) {
        wait_until(&format!("{host} has run an item"), || self.recorded().iter().any(|(name, _)| name == host));
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// How many items have failed once and are not recorded: those are not among the items that are sent ahead.
    fn n_waiting_for_their_second_attempt(&self) -> usize {
        let recorded: HashSet<String> = self.recorded().into_iter().map(|(_, item)| item).collect();
        let ran = self.read("fleet.ran");
        let failed = ran.lines().filter_map(|run| run.strip_suffix(" 1"));
        failed.filter(|item| item.parse::<u32>().unwrap() % 7 == 3 && !recorded.contains(*item)).count()
    }

    /// How often each attempt of each item was started.
    fn runs(&self) -> HashMap<String, usize> {
        let mut runs = HashMap::new();
        for run in self.read("fleet.ran").lines() {
            *runs.entry(run.to_owned()).or_insert(0) += 1;
        }
        runs
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "the counts are printed")]
fn a_list_outlives_two_workers_and_its_submitter_with_the_results_of_one_machine() {
    let Some(mut fleet) = Fleet::start() else { return };
    let n: u32 = std::env::var("CORDIAL_FLEET_ITEMS").map_or(ITEMS, |number| number.parse().unwrap());
    let [killed, frozen, _] = ["killed", "frozen", "last"].map(|name| fleet.worker(name));
    let items = numbers(n);
    let list = List { fleet: &fleet, n, items: &items };
    // While the fleet waits for a lease, this machine has time.
    let here = list.start("local", "local", &[]);
    let n_items = n as usize;

    let submitter = list.send("first", &[]);
    list.wait_recorded(n_items / 10);
    list.wait_recorded_by("killed");
    fleet.signal(killed, "KILL");
    list.wait_recorded(n_items / 5);
    submitter.kill();
    let n_before = list.recorded().len();
    let n_waiting = list.n_waiting_for_their_second_attempt();
    let resumed = list.send("second", &["--resume"]);
    fs::write(list.path("is-resumed"), "").unwrap();
    list.wait_recorded(n_before + n_items / 10);
    list.wait_recorded_by("frozen");
    fleet.signal(frozen, "STOP");
    fs::write(list.path("is-frozen"), "").unwrap();
    let resumed = resumed.finish();
    assert_eq!(resumed.status, 0, "{}", resumed.stderr);
    let here = here.finish();
    // A run of more than half a minute reports its progress between them.
    let n_errors = here.stderr.lines().filter(|line| line.starts_with("error ")).count();
    assert_eq!((here.status, n_errors), (0, n_items), "{}", here.stderr);

    let mut recorded: Vec<u32> = list.recorded().iter().map(|(_, item)| item.parse().unwrap()).collect();
    recorded.sort_unstable();
    assert_eq!(recorded, (1..=n).collect::<Vec<_>>(), "each item is recorded once");
    for host in ["killed", "frozen", "last"] {
        assert!(list.recorded().iter().any(|(name, _)| name == host), "{host} has run no item");
    }
    for stream in ["stdout", "stderr"] {
        for item in 1..=n {
            let of = |name: &str| list.read(&format!("{name}.results/{item}/{stream}"));
            assert_eq!(of("fleet"), of("local"), "{stream} of {item}");
        }
    }
    // The killed run has printed a beginning of the output, and the resumed one the outputs of what it ran, in order.
    let whole = list.read("local");
    assert!(whole.starts_with(&list.read("first")), "the output of the killed run is no beginning");
    let second = list.read("second");
    let mut rest = &second[..];
    for item in 1..=n {
        let output = list.read(&format!("local.results/{item}/stdout"));
        // The output of an item ends before the first line of another one.
        if let Some(after) = rest.strip_prefix(&*output).filter(|after| after.is_empty() || after.starts_with("1\n")) {
            rest = after;
        }
    }
    assert!(rest.is_empty(), "the output of the resumed run is not in order at {:?}", rest.lines().next());

    let runs = list.runs();
    let n_again: usize = runs.values().map(|times| times - 1).sum();
    assert!(n_again <= LOST_SLOTS + SENT_AHEAD + n_waiting, "{n_again} runs were repeated, {n_waiting} waited");
    eprintln!("{n} items, none lost; {n_before} before the submitter was killed; {n_again} runs were repeated");
}

#[test]
fn the_lines_of_a_command_that_runs_again_are_whole_and_its_bytes_are_counted_once() {
    let Some(mut fleet) = Fleet::start() else { return };
    let first = fleet.worker("first");
    let (log, go) = (fleet.dir.path().join("log"), fleet.dir.path().join("go"));
    let script =
        format!("printf 'first\\nhalf'; until [ -e {} ]; do sleep 0.01; done; echo ' second'; : {{}}", go.display());
    let args = ["map", "--nats", &fleet.url, "--group", "build", "--line-buffer", "--joblog", log.to_str().unwrap()];
    let mut map = cordial();
    map.args(args).args([&script, ":::", "1"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut map = map.spawn().unwrap();
    let mut stdout = BufReader::new(map.stdout.take().unwrap());
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    fleet.signal(first, "KILL");
    fleet.worker("second");
    fs::write(go, "").unwrap();
    stdout.read_to_string(&mut printed).unwrap();
    assert_eq!((map.wait().unwrap().code(), &*printed), (Some(0), "first\nfirst\nhalf second\n"));
    let log = fs::read_to_string(log).unwrap();
    let columns: Vec<&str> = log.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!((columns[1], columns[5]), ("second", "18"), "{log}");
}

#[test]
fn a_program_that_is_missing_on_a_worker_has_the_status_that_a_shell_reports() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    let output = fleet.map(&["--fail-fast", "no-such-program", ":::", "1"], b"");
    assert_eq!(output.status, 127, "{}", output.stderr);
    assert!(output.stderr.contains("cannot be started: No such file or directory"), "{}", output.stderr);
}

#[test]
fn an_attempt_on_a_fleet_does_not_continue_the_line_of_the_one_before() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    let options = ["--line-buffer", "--tag", "--retries", "2"];
    let output = fleet.map(&[&options[..], &["--shell", "printf abc; [ {} = ok ]", ":::", "x"]].concat(), b"");
    assert_eq!((output.status, output.text()), (1, "x\tabc\nx\tabc\nx\tabc"), "{}", output.stderr);
}
