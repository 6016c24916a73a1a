//! The tables of processes: the tasks, the servers and the connections. Filters, sorts and cuts them.

use std::cmp::Ordering;
use std::fmt::Write;

use cordial::Pid;
use cordial::process::Inspector;
use serde::Deserialize;

use super::filter::{BadRequest, Pattern};
use super::rows::task;
use crate::source::{Row, Scan, shown_label};
use crate::view::{Connection, Kind, List, Server, State, Task};

/// How many rows an answer has by default, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// The parameters of `GET /api/tasks`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TaskQuery {
    pub(crate) text: Option<String>,
    state: Option<State>,
    kind: Option<Kind>,
    supervisor: Option<String>,
    place: Option<String>,
    sort: Option<Sort>,
    descending: Option<bool>,
    pub(crate) offset: usize,
    limit: Option<usize>,
}

impl TaskQuery {
    pub(crate) fn limit(&self) -> usize {
        limit(self.limit)
    }
}

/// Returns how many rows an answer has if a client asks for this many.
pub(crate) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    Age,
    Busy,
    BusyShare,
    Polls,
    PollRate,
    InPoll,
    InQueue,
    LongPolls,
    SelfWakes,
    Mailbox,
    Restarts,
    Label,
    Place,
    Kind,
    State,
    Pid,
}

impl Sort {
    /// Returns whether large values come first unless the client asks otherwise.
    pub(crate) fn is_descending(self) -> bool {
        !matches!(self, Sort::Label | Sort::Place | Sort::Kind | Sort::State | Sort::Pid)
    }

    /// Returns the number by which a process is sorted; `None` if it is sorted by a text. Called once for each process, and not in each comparison.
    fn number(self, scan: &Scan, index: usize) -> Option<u128> {
        let row = &scan.rows()[index];
        // Floating-point numbers that are not negative have the same order as their bits.
        let bits = |number: f64| u128::from(number.to_bits());
        Some(match self {
            Sort::Age => row.age().as_millis(),
            Sort::Busy => row.busy().as_micros(),
            // Processes with the same share are sorted by how much they have computed in all.
            Sort::BusyShare => bits(scan.busy_share(index)) << 64 | row.busy().as_micros(),
            Sort::Polls => row.polls.into(),
            Sort::PollRate => bits(scan.polls_per_second(index)),
            Sort::InPoll => row.in_poll().map_or(0, |lasted| lasted.as_millis() + 1),
            Sort::InQueue => scan.in_queue_ms(index).map_or(0, |lasted| u128::from(lasted) + 1),
            Sort::LongPolls => row.long_polls.into(),
            Sort::SelfWakes => row.self_wakes.into(),
            Sort::Mailbox => length(scan, row).map_or(0, |length| length as u128 + 1),
            Sort::Restarts => restarts(scan, row).into(),
            Sort::Kind => row.kind as u128,
            Sort::State => row.state as u128,
            // Rows are ordered by pid.
            Sort::Pid => index as u128,
            Sort::Label | Sort::Place => return None,
        })
    }

    /// Compares by the label or by the place.
    fn compare_texts(self, scan: &Scan, a: u32, b: u32) -> Ordering {
        let (row, other) = (&scan.rows()[a as usize], &scan.rows()[b as usize]);
        if self == Sort::Place {
            return scan.places.location(row.place).cmp(scan.places.location(other.place));
        }
        // Processes without a label are greater than those with one.
        (row.label.is_none(), &row.label).cmp(&(other.label.is_none(), &other.label))
    }
}

fn length(scan: &Scan, row: &Row) -> Option<usize> {
    (row.kind == Kind::Server).then(|| scan.mailbox(row.pid).map(|mailbox| mailbox.length)).flatten()
}

fn restarts(scan: &Scan, row: &Row) -> u64 {
    scan.supervision(row.pid).map_or(u64::from(row.incarnation.saturating_sub(1)), |supervision| supervision.restarts)
}

/// Returns the rows of the processes that match a query, sorted and cut as it asks, and how many processes match.
pub(crate) fn tasks(
    scan: &Scan,
    inspector: &Inspector,
    query: &TaskQuery,
    refresh_ms: u64,
) -> Result<List<Task>, BadRequest> {
    let pattern = Pattern::new(query.text.as_deref())?;
    let supervisor = query.supervisor.as_deref().filter(|text| !text.is_empty());
    let supervisor = supervisor.map(|text| parse_pid("supervisor", text)).transpose()?;
    let place = query.place.as_deref().filter(|place| !place.is_empty());
    // A program has few places: each place is compared once, and not once for each of its processes.
    let is_asked = scan.places.map(|text| place.is_none_or(|place| text.starts_with(place)));
    let is_found = scan.places.map(|text| pattern.matches(text));
    let mut text = String::new();
    let mut matching: Vec<u32> = Vec::new();
    for (index, row) in scan.rows().iter().enumerate() {
        let is_match = query.state.is_none_or(|state| state == row.state)
            && query.kind.is_none_or(|kind| kind == row.kind)
            && supervisor.is_none_or(|pid| row.above.pid() == Some(pid))
            && is_asked[row.place.index()]
            && (is_found[row.place.index()] || finds(&pattern, row, &mut text));
        if is_match {
            matching.push(u32::try_from(index).expect("a scan has fewer than 2^32 processes"));
        }
    }
    let sort = query.sort.unwrap_or(Sort::BusyShare);
    let descending = query.descending.unwrap_or(sort.is_descending());
    let (offset, limit) = (query.offset, query.limit());
    let part = part(scan, &matching, sort, descending, offset, limit);
    let rows = part.iter().map(|index| task(scan, inspector, *index as usize)).collect();
    Ok(List { total: scan.total(), matched: matching.len(), offset, rows, at_ms: scan.at_ms, refresh_ms })
}

/// Returns the pid that a parameter names: `<1.2.3>` or `1.2.3`.
pub(crate) fn parse_pid(field: &'static str, text: &str) -> Result<Pid, BadRequest> {
    let bad = |_| BadRequest { field, error: format!("`{text}` is not a pid: a pid is written <1.2.3>") };
    text.trim().parse().map_err(bad)
}

/// Returns whether a pattern matches the label or the pid of a process.
fn finds(pattern: &Pattern, row: &Row, text: &mut String) -> bool {
    if row.label.as_deref().is_some_and(|label| pattern.matches(label)) {
        return true;
    }
    text.clear();
    write!(text, "{}", row.pid).expect("a string accepts text");
    pattern.matches(text)
}

/// Returns at most `limit` processes from `offset` on, in the order of `sort`. Among equal rows the smaller pid comes first, so that their
/// order does not change between two answers.
pub(crate) fn part(
    scan: &Scan,
    indices: &[u32],
    sort: Sort,
    descending: bool,
    offset: usize,
    limit: usize,
) -> Vec<u32> {
    let number =
        |index: &u32| sort.number(scan, *index as usize).map(|number| if descending { !number } else { number });
    let numbers: Option<Vec<(u128, u32)>> = indices.iter().map(|index| Some((number(index)?, *index))).collect();
    match numbers {
        Some(mut numbers) => cut(&mut numbers, offset, limit, Ord::cmp).iter().map(|(_, index)| *index).collect(),
        None => {
            let compare = |a: &u32, b: &u32| {
                let order = sort.compare_texts(scan, *a, *b);
                if descending { order.reverse() } else { order }.then(a.cmp(b))
            };
            cut(&mut indices.to_vec(), offset, limit, compare).to_vec()
        }
    }
}

/// Sorts as much as is needed, and returns at most `limit` elements from `offset` on.
fn cut<T>(all: &mut [T], offset: usize, limit: usize, compare: impl Fn(&T, &T) -> Ordering + Copy) -> &[T] {
    let begin = offset.min(all.len());
    let end = offset.saturating_add(limit).min(all.len());
    if end < all.len() && end > 0 {
        // Afterwards, the rows before `end` are the smallest ones, in any order.
        all.select_nth_unstable_by(end - 1, compare);
    }
    if begin > 0 && begin < end {
        all[..end].select_nth_unstable_by(begin, compare);
    }
    all[begin..end].sort_unstable_by(compare);
    &all[begin..end]
}

/// Returns the servers, the longest mailbox first.
pub(crate) fn servers(
    scan: &Scan,
    inspector: &Inspector,
    offset: usize,
    limit: usize,
    refresh_ms: u64,
) -> List<Server> {
    let indices = of_kind(scan, Kind::Server);
    let rows = part(scan, &indices, Sort::Mailbox, true, offset, limit);
    let server = |index: &u32| {
        let handled_per_s = scan.handled_per_second(scan.rows()[*index as usize].pid);
        Server { task: task(scan, inspector, *index as usize), handled_per_s }
    };
    let rows: Vec<Server> = rows.iter().map(server).collect();
    List { total: indices.len(), matched: indices.len(), offset, rows, at_ms: scan.at_ms, refresh_ms }
}

/// Returns the processes that are marked as connections, the oldest first.
pub(crate) fn connections(
    scan: &Scan,
    inspector: &Inspector,
    offset: usize,
    limit: usize,
    refresh_ms: u64,
) -> List<Connection> {
    let indices = of_kind(scan, Kind::Connection);
    let rows = part(scan, &indices, Sort::Age, true, offset, limit);
    let connection = |index: &u32| {
        let row = &scan.rows()[*index as usize];
        let shown = inspector.info_without_details(row.pid).and_then(|info| info.connection);
        let (peer, requests) =
            shown.map(|connection| (shown_label(Some(&connection.peer)), connection.requests)).unzip();
        let Task { pid, label, state, age_ms, busy_share, supervisor, .. } = task(scan, inspector, *index as usize);
        Connection { pid, label, peer: peer.flatten(), state, requests, age_ms, busy_share, supervisor }
    };
    let rows: Vec<Connection> = rows.iter().map(connection).collect();
    List { total: indices.len(), matched: indices.len(), offset, rows, at_ms: scan.at_ms, refresh_ms }
}

fn of_kind(scan: &Scan, kind: Kind) -> Vec<u32> {
    let is_of_kind = |(_, row): &(usize, &Row)| row.kind == kind;
    let index = |(index, _)| u32::try_from(index).expect("a scan has fewer than 2^32 processes");
    scan.rows().iter().enumerate().filter(is_of_kind).map(index).collect()
}

#[cfg(test)]
mod tests;
