//! Stops the run when enough items have failed, succeeded, or ended.

use std::sync::atomic::{AtomicU64, Ordering};

use super::token::{StopLevel, StopToken};

/// What `--halt` and `--fail-fast` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HaltPolicy {
    /// All items run, however many fail.
    Never,
    /// Stop when the condition holds for this many items.
    After { condition: HaltCondition, threshold: Threshold, mode: HaltMode },
}

/// Which items are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HaltCondition {
    Failed,
    Succeeded,
    /// Failed or succeeded.
    Done,
}

/// Whether running commands may finish when the run is halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HaltMode {
    /// They may finish.
    Soon,
    /// They receive SIGTERM, and SIGKILL after the grace period.
    Now,
}

/// How many items halt the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    Count(u64),
    /// A percentage of all items, whose number must be known.
    Percent(u64),
}

impl HaltPolicy {
    pub(crate) const FAIL_FAST: HaltPolicy =
        HaltPolicy::After { condition: HaltCondition::Failed, threshold: Threshold::Count(1), mode: HaltMode::Now };

    /// Parses the value of `--halt` in all forms of GNU parallel. Returns `None` if it is none of them.
    pub(crate) fn parse(text: &str) -> Option<HaltPolicy> {
        let text = match text {
            "never" | "0" => return Some(HaltPolicy::Never),
            "1" => "soon,fail=1",
            "2" => "now,fail=1",
            "-1" => "soon,success=1",
            "-2" => "now,success=1",
            _ => text,
        };
        let (mode, counted) = match text.split_once(',') {
            Some(("soon", counted)) => (HaltMode::Soon, counted),
            Some(("now", counted)) => (HaltMode::Now, counted),
            // A percentage alone counts failures.
            None if text.ends_with('%') => {
                return Some(HaltPolicy::After {
                    condition: HaltCondition::Failed,
                    threshold: threshold(text)?,
                    mode: HaltMode::Soon,
                });
            }
            _ => return None,
        };
        let (condition, number) = counted.split_once('=')?;
        let condition = match condition {
            "fail" => HaltCondition::Failed,
            "success" => HaltCondition::Succeeded,
            "done" => HaltCondition::Done,
            _ => return None,
        };
        Some(HaltPolicy::After { condition, threshold: threshold(number)?, mode })
    }

    /// Returns whether the number of all items must be known before the first command.
    pub(crate) fn needs_total(self) -> bool {
        matches!(self, HaltPolicy::After { threshold: Threshold::Percent(_), .. })
    }
}

fn threshold(text: &str) -> Option<Threshold> {
    Some(match text.strip_suffix('%') {
        Some(percent) => Threshold::Percent(percent.parse().ok().filter(|percent| (1..=100).contains(percent))?),
        None => Threshold::Count(text.parse().ok().filter(|&count| count > 0)?),
    })
}

/// Counts items that have ended, and stops the run when the threshold is reached.
#[derive(Debug)]
pub(crate) struct HaltCounter {
    policy: HaltPolicy,
    total: u64,
    counted: AtomicU64,
    /// The status of the item that reached the threshold, plus 1; 0 until then. If other items end at the same moment, it may be the
    /// status of one of these.
    decisive: AtomicU64,
}

impl HaltCounter {
    /// `total` is the number of all items; it is used only for `Threshold::Percent`.
    pub(crate) fn new(policy: HaltPolicy, total: u64) -> Self {
        HaltCounter { policy, total, counted: AtomicU64::new(0), decisive: AtomicU64::new(0) }
    }

    /// Counts an item that ended its last attempt with this exit status, which is 0 if it has succeeded.
    pub(crate) fn count(&self, status: u8, stop: &StopToken) {
        let HaltPolicy::After { condition, threshold, mode } = self.policy else { return };
        let is_counted = match condition {
            HaltCondition::Failed => status != 0,
            HaltCondition::Succeeded => status == 0,
            HaltCondition::Done => true,
        };
        if !is_counted {
            return;
        }
        let counted = self.counted.fetch_add(1, Ordering::Relaxed) + 1;
        let threshold = match threshold {
            Threshold::Count(count) => count,
            Threshold::Percent(percent) => (self.total * percent).div_ceil(100),
        };
        if counted >= threshold {
            let decisive = u64::from(status) + 1;
            let _ = self.decisive.compare_exchange(0, decisive, Ordering::Relaxed, Ordering::Relaxed);
            stop.raise(match mode {
                HaltMode::Soon => StopLevel::Drain,
                HaltMode::Now => StopLevel::Terminate,
            });
        }
    }

    /// Returns the exit status of a run that was halted: 0 if enough items have succeeded; the status of the item if a single item
    /// halts the run. `None` if the run was not halted, or if the status of the run is the number of failed items.
    pub(crate) fn exit_status(&self) -> Option<u8> {
        let status = self.decisive.load(Ordering::Relaxed).checked_sub(1)? as u8;
        match self.policy {
            HaltPolicy::After { condition: HaltCondition::Succeeded, .. } => Some(0),
            HaltPolicy::After { threshold: Threshold::Count(1), .. } => Some(status),
            _ => None,
        }
    }

    /// Returns what has halted the run, for the sentence "stopped by …".
    pub(crate) fn cause(&self) -> &'static str {
        match self.policy {
            HaltPolicy::After { condition: HaltCondition::Failed, .. } => "failures",
            _ => "--halt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_gnu_parallel_are_parsed() {
        let after = |condition, threshold, mode| Some(HaltPolicy::After { condition, threshold, mode });
        use HaltCondition::{Done, Failed, Succeeded};
        use HaltMode::{Now, Soon};
        use Threshold::{Count, Percent};
        for (text, policy) in [
            ("never", Some(HaltPolicy::Never)),
            ("0", Some(HaltPolicy::Never)),
            ("1", after(Failed, Count(1), Soon)),
            ("2", after(Failed, Count(1), Now)),
            ("-1", after(Succeeded, Count(1), Soon)),
            ("-2", after(Succeeded, Count(1), Now)),
            ("5%", after(Failed, Percent(5), Soon)),
            ("soon,fail=3", after(Failed, Count(3), Soon)),
            ("now,fail=30%", after(Failed, Percent(30), Now)),
            ("soon,success=2", after(Succeeded, Count(2), Soon)),
            ("now,success=100%", after(Succeeded, Percent(100), Now)),
            ("now,done=7", after(Done, Count(7), Now)),
            ("soon,done=1%", after(Done, Percent(1), Soon)),
        ] {
            assert_eq!(HaltPolicy::parse(text), policy, "{text}");
        }
        let wrong = [
            "",
            "3",
            "-3",
            "0%",
            "101%",
            "soon",
            "now",
            "soon,fail",
            "now,fail=0",
            "soon,fail=x",
            "later,fail=1",
            "now,ended=1",
        ];
        for text in wrong {
            assert_eq!(HaltPolicy::parse(text), None, "{text}");
        }
    }
}
