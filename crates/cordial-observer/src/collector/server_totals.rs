//! What servers have done in total, by their names: sums that do not fall when a server ends or is restarted.

use std::collections::{BTreeMap, HashMap};

use cordial::Pid;
use cordial::process::MailboxInfo;

use crate::source::Scan;

/// How many names of servers have sums of their own. The servers of further names are added up under the name [`OTHER`].
const MAX_SERVER_NAMES: usize = 200;

const OTHER: &str = "other";

/// How long a name without a server keeps its sums if another name needs their place. If this time were short, a program that names its servers
/// after its users would fill the metrics database with names. If the sums were never removed, the names of ended servers would leave no room
/// for the servers that run now.
const NAME_STAYS_MS: u64 = 60 * 60 * 1000;

/// How many servers without a process are remembered at least. As many as there ever were in one scan are remembered too, because all
/// servers may be restarted at once. A restarted server continues its counts. If the server was forgotten meanwhile, the messages of its
/// earlier incarnations are added to the sums again.
const MIN_REMEMBERED: usize = 5_000;

/// The sums over all servers of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) handled: u64,
    pub(crate) skipped: u64,
}

/// What the servers have done, as far as scans have shown it.
#[derive(Debug, Default)]
pub(crate) struct ServerTotals {
    sums: BTreeMap<String, Sum>,
    /// The counts that are in the sums already, by the first process of each server.
    counted: HashMap<Pid, Counted>,
    /// The largest number of servers in one scan.
    most_in_scan: usize,
    n_scans: u64,
}

#[derive(Debug, Default)]
struct Sum {
    done: Done,
    /// The time of the last scan that contained a server of this name.
    seen_at_ms: u64,
}

#[derive(Debug, Default)]
struct Counted {
    done: Done,
    /// The number of the last scan that contained the server.
    in_scan: u64,
}

impl ServerTotals {
    /// Adds what the servers of a scan have done since the last scan.
    pub(crate) fn record(&mut self, scan: &Scan) {
        self.n_scans += 1;
        let mut new = Vec::new();
        // First the names that have sums: a new name must not take the place of a name that has a server in this scan.
        for (pid, mailbox) in scan.mailboxes() {
            match scan.name_of_server(pid) {
                Some(name) if self.sums.contains_key(name) => self.add(name, pid, mailbox, scan.at_ms),
                Some(name) => new.push((pid, name, mailbox)),
                None => {}
            }
        }
        // The oldest servers first: otherwise the order of a hash map would decide which names get sums of their own.
        new.sort_unstable_by_key(|(pid, ..)| *pid);
        let mut has_room = true;
        for (pid, name, mailbox) in new {
            let has_sum = self.sums.contains_key(name) || (has_room && self.make_room(scan.at_ms));
            has_room &= has_sum;
            self.add(if has_sum { name } else { OTHER }, pid, mailbox, scan.at_ms);
        }
        self.forget_absent();
    }

    /// Returns the sums by name.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = (&str, Done)> {
        self.sums.iter().map(|(name, sum)| (&**name, sum.done))
    }

    /// Returns under which name a server of this name is added up.
    pub(crate) fn name_of_sum<'a>(&self, name: &'a str) -> &'a str {
        if self.sums.contains_key(name) { name } else { OTHER }
    }

    fn add(&mut self, name: &str, pid: Pid, mailbox: &MailboxInfo, now_ms: u64) {
        let sum = self.sums.entry(name.to_owned()).or_default();
        sum.seen_at_ms = now_ms;
        let counted = self.counted.entry(mailbox.first_process.unwrap_or(pid)).or_default();
        sum.done.handled += mailbox.handled.saturating_sub(counted.done.handled);
        sum.done.skipped += mailbox.skipped.saturating_sub(counted.done.skipped);
        // A scan may have seen the server before and after a restart, and shows the two processes in any order.
        counted.done.handled = counted.done.handled.max(mailbox.handled);
        counted.done.skipped = counted.done.skipped.max(mailbox.skipped);
        counted.in_scan = self.n_scans;
    }

    /// Returns whether there is room for one more name. If there is none, tries to make room: removes the name that has had no server for the
    /// longest time.
    fn make_room(&mut self, now_ms: u64) -> bool {
        if self.sums.len() - usize::from(self.sums.contains_key(OTHER)) < MAX_SERVER_NAMES {
            return true;
        }
        let names = self.sums.iter().filter(|(name, _)| *name != OTHER);
        let Some((name, sum)) = names.min_by_key(|(_, sum)| sum.seen_at_ms) else { return false };
        if now_ms.saturating_sub(sum.seen_at_ms) < NAME_STAYS_MS {
            return false;
        }
        let name = name.clone();
        self.sums.remove(&name).is_some()
    }

    /// Forgets the servers that have been absent for longest, if too many are absent.
    fn forget_absent(&mut self) {
        let absent = self.counted.values().map(|counted| counted.in_scan).filter(|in_scan| *in_scan < self.n_scans);
        let mut absent: Vec<u64> = absent.collect();
        self.most_in_scan = self.most_in_scan.max(self.counted.len() - absent.len());
        let n_kept = self.most_in_scan.max(MIN_REMEMBERED);
        // Twice as many, so that not every scan has to sort them.
        if absent.len() > 2 * n_kept {
            absent.sort_unstable();
            // All servers that were last seen in this scan are forgotten. It is not the latest one, since no scan has more than `n_kept`.
            let newest_forgotten = absent[absent.len() - n_kept - 1];
            self.counted.retain(|_, counted| counted.in_scan > newest_forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use cordial::server::{Context, Handle, Server, ServerRef};
    use cordial::{Pid, Restart, Task, process};

    use super::{Done, MAX_SERVER_NAMES, NAME_STAYS_MS, OTHER, ServerTotals};
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
                totals.by_name().find(|(name, _)| *name == "counter").map_or(0, |(_, Done { handled, .. })| handled)
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

    #[test]
    fn a_server_that_a_scan_has_seen_before_and_after_its_restart_is_counted_once() {
        cordial::testing::run(async {
            let server = start();
            count(&server, 5).await;
            let mut mailbox = server.mailbox();
            let (mut totals, pid) = (ServerTotals::default(), process::current().unwrap());
            for handled in [5, 3, 5] {
                mailbox.handled = handled;
                totals.add("counter", pid, &mailbox, 0);
            }
            assert_eq!(totals.by_name().next(), Some(("counter", Done { handled: 5, skipped: 0 })));
        });
    }

    #[test]
    fn very_many_servers_that_are_restarted_at_once_are_counted_once() {
        cordial::testing::run(async {
            let mut mailbox = start().mailbox();
            let mut totals = ServerTotals::default();
            let mut scan = |servers: &[Pid], handled| {
                totals.n_scans += 1;
                mailbox.handled = handled;
                for pid in servers {
                    mailbox.first_process = Some(*pid);
                    totals.add("counter", *pid, &mailbox, 0);
                }
                totals.forget_absent();
                (totals.by_name().next().unwrap().1.handled, totals.counted.len())
            };
            let pids = |n| (0..n).map(|_| Task::spawn(async {}).pid()).collect::<Vec<Pid>>();
            let (servers, other) = (pids(12_000), pids(1));
            assert_eq!(scan(&servers, 1).0, 12_000);
            assert_eq!(scan(&other, 1).0, 12_001, "all servers but one are being restarted");
            assert_eq!(scan(&servers, 2).0, 24_001);
            // Servers that come and go do not fill the memory.
            for _ in 0..3 {
                assert!(scan(&pids(11_000), 1).1 <= 3 * 12_000);
            }
        });
    }

    #[test]
    fn a_name_whose_servers_have_ended_long_ago_gives_its_place_to_one_whose_servers_run() {
        cordial::testing::run(async {
            let mut totals = ServerTotals::default();
            let mut names = |at_ms| {
                totals.record(&Scan::new(&process::inspector(), at_ms, None));
                totals.by_name().map(|(name, _)| name.to_owned()).collect::<BTreeSet<String>>()
            };
            let start = |name: String| ServerRef::builder(|| Counter).label(name).start();
            let kept = start("kept".to_owned());
            let mut sessions: Vec<_> = (1..MAX_SERVER_NAMES).map(|n| start(format!("session {n}"))).collect();
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(names(0).len(), MAX_SERVER_NAMES);
            for session in sessions.drain(..) {
                session.stop().await;
            }
            let new = start("new".to_owned());
            tokio::time::sleep(Duration::from_millis(1)).await;
            let soon = names(NAME_STAYS_MS - 1);
            assert!(soon.contains("session 1") && soon.contains(OTHER) && !soon.contains("new"), "{soon:?}");
            let late = names(NAME_STAYS_MS);
            assert!(late.contains("new") && late.contains("kept"), "{late:?}");
            assert_eq!(late.len(), MAX_SERVER_NAMES + 1, "one name went, and `other` stays");
            drop((kept, new));
        });
    }
}
