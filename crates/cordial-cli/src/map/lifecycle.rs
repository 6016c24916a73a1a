//! The command `map` from its start to its end, whoever brings that about.
//!
//! ```text
//! signal   what happens
//! first    no new items; what runs is asked to stop and given the grace; the rest is printed and counted
//! second   everything is killed
//! ```

use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, SystemTime};

use cordial::Runtime;
use tokio::io::AsyncWriteExt;
use tokio::time;

use crate::args::MapOptions;
use crate::item_failure::plain;
use crate::map::config::Plan;
use crate::report::printer::Report;
use crate::stop::token::{Level, Stop};
use crate::report::summary::Cause;
use crate::system::{self, Groups, Interrupt, Interrupts, Suspensions};
use crate::exit_reason::Verdict;
use crate::map::pipeline::work;

/// How long a last word may take. Whoever should read it may have stopped reading before.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How long the thread that runs commands may take to end when everything was killed.
const LAST_REAPING: Duration = Duration::from_secs(3);

/// What outlives the root process.
#[derive(Clone, Default)]
pub(crate) struct Rest {
    pub(crate) groups: Groups,
    /// The first signal.
    pub(crate) stopped_by: Arc<OnceLock<Interrupt>>,
    /// Is closed when the thread that runs commands has ended.
    pub(crate) launcher: Arc<OnceLock<Mutex<mpsc::Receiver<()>>>>,
}

/// Runs the command to its end and gives the exit status.
pub(crate) fn run(options: MapOptions) -> ExitCode {
    let begun = Plan::new(options).and_then(|plan| {
        if let Some(by) = plan.options.nice {
            system::lower_priority(by).map_err(|error| format!("--nice {by} is refused: {}", plain(&error)))?;
        }
        Ok(plan)
    });
    let plan = match begun {
        Ok(plan) => plan,
        Err(sentence) => return broken(&sentence),
    };
    let name = run_name();
    let (guard, rest) = match system::start_guard(&name) {
        Ok((pipe, guard)) => (Some(guard), Rest { groups: Groups::new(Some(pipe)), ..Rest::default() }),
        // As on systems that have none: what runs when we are killed outright goes on.
        Err(_) => (None, Rest::default()),
    };
    system::be_deaf_to_ends();
    let runtime = match Runtime::builder().build() {
        Ok(runtime) => runtime,
        Err(error) => return broken(&error.to_string()),
    };
    // Not `run`, which hears signals itself: the second one would end the root process before it has told what was killed.
    let verdict = match runtime.block_on(root(plan, name, rest.clone())) {
        Ok(verdict) => verdict,
        Err(exit) => {
            let _ = writeln!(io::stderr(), "cordial: this is an error of cordial itself, please report it: {exit}");
            Verdict::Broken
        }
    };
    rest.groups.kill_all();
    if let Some(launcher) = rest.launcher.get().and_then(|launcher| launcher.lock().ok()) {
        let _ = launcher.recv_timeout(LAST_REAPING);
    }
    rest.groups.dismiss_guard();
    if let Some(mut guard) = guard {
        // It ends with the pipe, which was closed just now.
        let _ = guard.wait();
    }
    verdict.into()
}

fn broken(sentence: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "cordial: {sentence}");
    Verdict::Broken.into()
}

/// Another one for each run of the machine.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", std::process::id(), now.as_nanos())
}

/// The root process.
async fn root(plan: Plan, name: String, rest: Rest) -> Verdict {
    let mut report = Report::new(tokio::io::stdout(), tokio::io::stderr(), plan.options.quiet);
    let listened = Interrupts::listen().and_then(|interrupts| Ok((interrupts, Suspensions::listen()?)));
    let (mut interrupts, mut suspensions) = match listened {
        Ok(listened) => listened,
        Err(error) => {
            report.complain(&format!("signals cannot be heard: {}", plain(&error))).await;
            return Verdict::Broken;
        }
    };
    let stop = Stop::new();
    let printed = report.printed();
    let groups = rest.groups.clone();
    let (grace, is_quiet) = (plan.options.grace, plan.options.quiet);
    let verdict = {
        let mut work = Box::pin(work(plan, name, rest.clone(), stop.clone(), &mut report));
        let mut pass_on = std::pin::pin!(suspensions.pass_on(&groups));
        let interrupt = tokio::select! {
            biased;
            interrupt = interrupts.next() => interrupt,
            () = &mut pass_on => return Verdict::Broken,
            verdict = &mut work => return verdict,
        };
        let _ = rest.stopped_by.set(interrupt);
        stop.raise(Level::Now);
        tell_terminal(grace, is_quiet).await;
        let is_over = tokio::select! {
            biased;
            _ = interrupts.next() => None,
            () = &mut pass_on => None,
            () = nobody_reads(&groups, &printed) => None,
            verdict = &mut work => Some(verdict),
        };
        match is_over {
            Some(verdict) => Some(verdict),
            None => {
                stop.raise(Level::Kill);
                groups.kill_all();
                // What was running has its last word.
                time::timeout(LAST_WORD, &mut work).await.ok()
            }
        }
    };
    match (verdict, rest.stopped_by.get()) {
        (Some(verdict), _) => verdict,
        (None, by) => {
            // Not all was printed, but what is known can be told.
            let by = by.copied().unwrap_or(Interrupt::Interrupt);
            let _ = time::timeout(LAST_WORD, report.conclude(Cause::Interrupted(by))).await;
            Verdict::Interrupted(by)
        }
    }
}

/// Says to a person at a terminal what the signal has done, and what another one would do.
async fn tell_terminal(grace: Duration, is_quiet: bool) {
    if is_quiet || !io::stderr().is_terminal() {
        return;
    }
    // The bar, which may stand there, comes back with its next tick.
    let line = format!(
        "\r\x1b[2Kcordial: what runs is asked to stop and has {} for it; once more kills it\n",
        humantime::format_duration(grace)
    );
    let _ = time::timeout(LAST_WORD, tokio::io::stderr().write_all(line.as_bytes())).await;
}

/// Waits until nothing runs any more, and yet nothing gets printed.
async fn nobody_reads(groups: &Groups, printed: &AtomicU64) {
    let mut before = None;
    loop {
        let now = groups.is_empty().then(|| printed.load(Ordering::Relaxed));
        if now.is_some() && now == before {
            return;
        }
        before = now;
        time::sleep(LAST_WORD).await;
    }
}
