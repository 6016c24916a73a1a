//! The exit of a job that has failed for good: what happened in its last attempt, and where the job is now.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cordial::{Exit, Lost, LostCause, PanicReport};

use crate::names::JobId;

/// Returns the exit of the last attempt, with a note that the job is among the dead letters. A panic, a loss and an error keep their kinds;
/// any other exit becomes an error with its text.
pub(crate) fn dead_lettered(exit: &Exit, id: &JobId, attempts: Option<&str>) -> Exit {
    let attempt = match attempts {
        Some("1") => "the only attempt".to_owned(),
        Some(n) => format!("the last of {n} attempts"),
        None => "the last attempt".to_owned(),
    };
    let attempt =
        format!("{attempt} of the job {id}, which is among the dead letters of the group {:?} now", id.group());
    let note = format!("this was {attempt}");
    match exit {
        Exit::Panic(report) => {
            let message = format!("{} ({note})", report.message());
            let mut dead = PanicReport::builder(message, report.location().clone())
                .thread(report.thread())
                .pid(report.pid())
                .spawned_at(report.spawned_at().clone())
                .callers(report.callers().to_vec());
            if let Some(label) = report.label() {
                dead = dead.label(label);
            }
            if let Some(backtrace) = report.backtrace_text() {
                dead = dead.backtrace(backtrace);
            }
            Exit::Panic(Arc::new(dead.build()))
        }
        Exit::Lost(lost) => {
            let mut dead = Lost::builder((**lost).cause().clone())
                .attempt(lost.attempt())
                .ran_for(lost.ran_for())
                .stderr(lost.stderr().to_vec())
                .place(match lost.place() {
                    Some(node) => format!("{node}; {note}"),
                    None => attempt,
                });
            if let Some(function) = lost.function() {
                dead = dead.function(function);
            }
            if let Some(spawned_at) = lost.spawned_at() {
                dead = dead.spawned_at(spawned_at.clone());
            }
            dead.build().into()
        }
        Exit::Error(error) => Exit::Error(Arc::new(DeadLettered { last: error.clone(), attempt })),
        exit => {
            let last: Arc<dyn Error + Send + Sync> = Arc::from(Box::<dyn Error + Send + Sync>::from(exit.to_string()));
            Exit::Error(Arc::new(DeadLettered { last, attempt }))
        }
    }
}

/// Returns the exit of a job whose last attempt has begun and has left no result: its node counts as lost.
pub(crate) fn last_attempt_lost(function: &str, attempts: u32, node: &str) -> Exit {
    Lost::builder(LostCause::NodeDown { node: node.into() }).function(function).attempt(attempts).build().into()
}

/// Says that the job is among the dead letters. Its source is the error of the last attempt.
#[derive(Debug)]
struct DeadLettered {
    last: Arc<dyn Error + Send + Sync>,
    attempt: String,
}

impl fmt::Display for DeadLettered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.attempt, self.last)
    }
}

impl Error for DeadLettered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.last)
    }
}
