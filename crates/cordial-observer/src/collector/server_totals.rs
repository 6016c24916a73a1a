//! What servers have done in total, by their names: sums that do not fall when a server ends or is restarted.

use std::collections::{BTreeMap, HashMap};

use cordial::Pid;
use cordial::process::MailboxInfo;

use crate::source::Scan;

/// How many names of servers have sums of their own. The servers of further names are added up under the name `other`.
const MAX_SERVER_NAMES: usize = 200;

/// How many servers without a process are remembered. Each of them may be restarted, and then goes on with its counts; one that was forgotten
/// is counted again from its beginning.
const MAX_ABSENT: usize = 10_000;

/// The sums over all servers of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) handled: u64,
    pub(crate) skipped: u64,
}

/// What the servers have done, as far as scans have shown it.
#[derive(Debug, Default)]
pub(crate) struct ServerTotals {
    sums: BTreeMap<String, Done>,
    /// The counts that are in the sums already, by the first process of each server.
    counted: HashMap<Pid, Counted>,
    n_scans: u64,
}

#[derive(Debug, Default)]
struct Counted {
    done: Done,
    /// The number of the last scan that has shown the server.
    in_scan: u64,
}

impl ServerTotals {
    /// Adds what the servers of a scan have done since the last scan.
    pub(crate) fn record(&mut self, scan: &Scan) {
        self.n_scans += 1;
        let mut new = Vec::new();
        for (pid, mailbox) in scan.mailboxes() {
            match scan.name_of_server(pid) {
                Some(name) if self.sums.contains_key(name) => self.add(name, pid, mailbox),
                Some(name) => new.push((pid, name, mailbox)),
                None => {}
            }
        }
        // The oldest servers first, so that the names which get a sum of their own do not depend on chance.
        new.sort_unstable_by_key(|(pid, ..)| *pid);
        new.into_iter().for_each(|(pid, name, mailbox)| self.add(name, pid, mailbox));
        self.forget_absent();
    }

    /// Returns the sums by name.
    pub(crate) fn by_name(&self) -> &BTreeMap<String, Done> {
        &self.sums
    }

    /// Returns under which name a server of this name is added up.
    pub(crate) fn name_of_sum<'a>(&self, name: &'a str) -> &'a str {
        if self.sums.contains_key(name) { name } else { "other" }
    }

    fn add(&mut self, name: &str, pid: Pid, mailbox: &MailboxInfo) {
        let has_room = self.sums.len() < MAX_SERVER_NAMES || self.sums.contains_key(name);
        let sum = self.sums.entry(if has_room { name } else { "other" }.to_owned()).or_default();
        let counted = self.counted.entry(mailbox.first_process.unwrap_or(pid)).or_default();
        sum.handled += mailbox.handled.saturating_sub(counted.done.handled);
        sum.skipped += mailbox.skipped.saturating_sub(counted.done.skipped);
        *counted = Counted { done: Done { handled: mailbox.handled, skipped: mailbox.skipped }, in_scan: self.n_scans };
    }

    /// Forgets the servers that have been absent for longest, if too many are absent.
    fn forget_absent(&mut self) {
        let absent = self.counted.values().map(|counted| counted.in_scan).filter(|in_scan| *in_scan < self.n_scans);
        let mut absent: Vec<u64> = absent.collect();
        if absent.len() > MAX_ABSENT {
            absent.sort_unstable();
            // Half of those that may be remembered stay, or fewer if many were seen last in the same scan.
            let newest_forgotten = absent[absent.len() - MAX_ABSENT / 2 - 1];
            self.counted.retain(|_, counted| counted.in_scan > newest_forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cordial::server::{Context, Handle, Server, ServerRef};
    use cordial::{Restart, process};

    use super::{Done, ServerTotals};
    use crate::source::Scan;

    struct Counter;

    impl Server for Counter {}

    struct Count;

    impl Handle<Count> for Counter {
        type Reply = ();

        async fn handle(&mut self, _: Count, _: &mut Context<Counter>) {}
    }

    struct Crash;

    impl Handle<Crash> for Counter {
        type Reply = ();

        async fn handle(&mut self, _: Crash, _: &mut Context<Counter>) {
            panic!("out of order");
        }
    }

    fn start() -> ServerRef<Counter> {
        ServerRef::builder(|| Counter).label("counter").restart(Restart::Permanent).start()
    }

    async fn count(server: &ServerRef<Counter>, n: usize) {
        for _ in 0..n {
            server.call(Count).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[test]
    fn the_sums_of_a_name_go_on_when_a_server_ends_or_is_restarted() {
        cordial::testing::run(async {
            let mut totals = ServerTotals::default();
            let mut handled = || {
                totals.record(&Scan::new(&process::inspector(), 0, None));
                totals.by_name().get("counter").map_or(0, |Done { handled, .. }| *handled)
            };
            let (first, second) = (start(), start());
            count(&first, 3).await;
            count(&second, 2).await;
            assert_eq!(handled(), 5);
            first.stop().await;
            assert_eq!(handled(), 5, "the first server has ended");
            count(&second, 1).await;
            assert_eq!(handled(), 6);
            let _ = second.call(Crash).await;
            handled();
            tokio::time::sleep(Duration::from_secs(1)).await;
            count(&second, 4).await;
            let of_second = second.mailbox().handled;
            assert_eq!(handled(), 3 + of_second, "the restarted server goes on with its count of {of_second}");
            assert!(of_second >= 7);
        });
    }
}
