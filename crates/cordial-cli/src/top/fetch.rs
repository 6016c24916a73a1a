//! The tasks that send requests to the observer. One task fetches what the screen shows, in rounds. The next round begins a second
//! after the last one has ended, or earlier if a key asks for something else; a key does not end a round. For each action, another
//! task sends the request.

use std::sync::mpsc::{Sender, SyncSender, TrySendError};
use std::time::Duration;

use cordial_observer::view::{
    ActionKind, Columns, CrashDetail, Crashes, List, Overview, Point, Stream, Task, TaskDetail, TreeNode,
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::address::{Address, encoded};
use super::client::{act, get};
use super::state::{Detail, SORTS, View, Wanted};

/// The time from the end of one round to the start of the next. A key that asks for something else ends this time early.
const PERIOD: Duration = Duration::from_secs(1);

/// How many points of the past are kept. The observer makes one for each second.
const PAST: usize = 300;

/// How many children of one process the tree shows at most, and how many roots.
const MAX_CHILDREN: usize = 100;

/// How many requests one round sends for the tree at most: one for the roots, and one for each expanded process.
const MAX_TREE_REQUESTS: usize = 60;

/// The result of one round.
pub(super) type ScreenUpdate = Result<Box<Screenful>, String>;

/// Everything for one screen.
pub(super) struct Screenful {
    pub(super) wanted: Wanted,
    pub(super) overview: Overview,
    pub(super) past: RecentValues,
    pub(super) list: Rows,
    pub(super) detail: Option<Result<Full, String>>,
    /// Why the list could not be fetched, such as a filter that is not a valid pattern.
    pub(super) list_error: Option<String>,
}

/// The rows of the list.
pub(super) enum Rows {
    Tasks(Box<List<Task>>),
    Tree(Vec<Branch>),
    Streams(Box<List<Stream>>),
    Crashes(Box<Crashes>),
    None,
}

/// A row of the tree.
pub(super) struct Branch {
    pub(super) depth: usize,
    pub(super) node: BranchNode,
}

pub(super) enum BranchNode {
    Process(Box<TreeNode>),
    /// This many more rows are not shown.
    More(usize),
}

/// A process or a crash in full.
pub(super) enum Full {
    Process(Box<TaskDetail>),
    Crash(Box<CrashDetail>),
}

/// The values of the last minutes, about one for each second, the newest last.
#[derive(Clone, Default)]
pub(super) struct RecentValues {
    pub(super) utilization: Vec<f64>,
    pub(super) spawned: Vec<f64>,
    pub(super) crashed: Vec<f64>,
    latest_at_ms: u64,
}

impl RecentValues {
    fn of(columns: &Columns, latest_at_ms: u64) -> RecentValues {
        let numbers = |column: &[Option<f32>]| column.iter().map(|n| f64::from(n.unwrap_or_default())).collect();
        let mut past = RecentValues {
            utilization: numbers(&columns.utilization),
            spawned: numbers(&columns.spawned),
            crashed: numbers(&columns.crashed),
            latest_at_ms,
        };
        past.trim();
        past
    }

    fn push(&mut self, point: &Point) {
        if point.at_ms <= self.latest_at_ms {
            return;
        }
        self.latest_at_ms = point.at_ms;
        self.utilization.push(f64::from(point.utilization));
        self.spawned.push(f64::from(point.spawned));
        self.crashed.push(f64::from(point.crashed));
        self.trim();
    }

    fn trim(&mut self) {
        for column in [&mut self.utilization, &mut self.spawned, &mut self.crashed] {
            let n_old = column.len().saturating_sub(PAST);
            column.drain(..n_old);
        }
    }
}

/// An action that a person has confirmed.
pub(super) struct ConfirmedAction {
    pub(super) kind: ActionKind,
    pub(super) pid: String,
    /// The token of the last overview, without which the observer refuses the request.
    pub(super) csrf: String,
}

/// The result of an action on a process.
pub(super) struct ActionOutcome {
    pub(super) kind: ActionKind,
    pub(super) pid: String,
    pub(super) result: Result<String, String>,
}

/// Carries out actions until the main thread has ended. Each action has a task of its own, so that no action waits for the answer to an
/// earlier one: the program may answer late, for example because the children of a supervisor use up their grace times.
pub(super) async fn carry_out(
    address: Address,
    mut confirmed: UnboundedReceiver<ConfirmedAction>,
    answers: Sender<ActionOutcome>,
) {
    while let Some(ConfirmedAction { kind, pid, csrf }) = confirmed.recv().await {
        let (address, answers) = (address.clone(), answers.clone());
        cordial::Task::start(async move {
            let result = act(&address, kind, &pid, &csrf).await;
            // The main thread may have ended.
            let _ = answers.send(ActionOutcome { kind, pid, result });
        });
    }
}

/// Fetches what the screen shows, round by round, until the main thread has ended. While the main thread takes no updates, because the
/// terminal accepts no data, further ones are dropped.
pub(super) async fn fetch(address: Address, mut wanted: watch::Receiver<Wanted>, updates: SyncSender<ScreenUpdate>) {
    // The `start_id` of the observed program, and the past since that start.
    let mut known: Option<(String, RecentValues)> = None;
    loop {
        let now = wanted.borrow_and_update().clone();
        let update = screenful(&address, now, &mut known).await;
        if update.is_err() {
            known = None;
        }
        if let Err(TrySendError::Disconnected(_)) = updates.try_send(update.map(Box::new)) {
            return;
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn screenful(
    address: &Address,
    wanted: Wanted,
    known: &mut Option<(String, RecentValues)>,
) -> Result<Screenful, String> {
    // The past is fetched in the first round, after a restart of the program, and after an error. Other rounds only add a point.
    let path = if known.is_some() { "/api/overview?history=none" } else { "/api/overview" };
    let mut overview: Overview = get(address, path).await?;
    if known.as_ref().is_some_and(|(start, _)| *start != overview.program.start_id) {
        // The program was started again since the last round, so the known past is that of the earlier start.
        *known = None;
        overview = get(address, "/api/overview").await?;
    }
    let past = match known {
        Some((_, past)) => {
            past.push(&overview.now);
            past.clone()
        }
        None => {
            let past = RecentValues::of(&overview.history.seconds, overview.now.at_ms);
            *known = Some((overview.program.start_id.clone(), past.clone()));
            past
        }
    };
    let (list, list_error) = match rows(address, &wanted).await {
        Ok(rows) => (rows, None),
        Err(error) => (Rows::None, Some(error)),
    };
    let detail = match &wanted.detail {
        None => None,
        Some(Detail::Process(pid)) => {
            let path = format!("/api/tasks/{}", encoded(pid));
            Some(get(address, &path).await.map(|detail| Full::Process(Box::new(detail))))
        }
        Some(Detail::Crash(number)) => {
            let path = format!("/api/crashes/{number}");
            Some(get(address, &path).await.map(|detail| Full::Crash(Box::new(detail))))
        }
    };
    Ok(Screenful { wanted, overview, past, list, detail, list_error })
}

async fn rows(address: &Address, wanted: &Wanted) -> Result<Rows, String> {
    let Wanted { first, rows, .. } = wanted;
    Ok(match wanted.view {
        View::Tasks => {
            let (sort, text) = (SORTS[wanted.sort], encoded(&wanted.filter));
            let descending = wanted.is_descending;
            let path =
                format!("/api/tasks?sort={sort}&descending={descending}&text={text}&offset={first}&limit={rows}");
            Rows::Tasks(get(address, &path).await?)
        }
        View::Tree => Rows::Tree(tree(address, wanted).await?),
        View::Streams => Rows::Streams(get(address, &format!("/api/streams?offset={first}&limit={rows}")).await?),
        View::Crashes => Rows::Crashes(get(address, "/api/crashes?limit=1").await?),
    })
}

/// Fetches the rows of the tree: the roots, and the children of each expanded process. After `MAX_TREE_REQUESTS` requests, the
/// expanded processes further down are shown without their children.
async fn tree(address: &Address, wanted: &Wanted) -> Result<Vec<Branch>, String> {
    let mut rows = Vec::new();
    let mut n_fetched = 1;
    let roots: List<TreeNode> = get(address, &format!("/api/tree?limit={MAX_CHILDREN}")).await?;
    let mut open = branches(roots, 0);
    while let Some(branch) = open.pop() {
        let pid = match &branch.node {
            BranchNode::Process(node) if node.children > 0 => node.task.as_ref().map(|task| task.pid.clone()),
            _ => None,
        };
        let depth = branch.depth;
        rows.push(branch);
        if let Some(pid) = pid.filter(|pid| wanted.expanded.contains(pid))
            && n_fetched < MAX_TREE_REQUESTS
        {
            n_fetched += 1;
            let children = get(address, &format!("/api/tree?parent={}&limit={MAX_CHILDREN}", encoded(&pid))).await;
            // The request fails if the process has ended meanwhile: the row then has no children.
            open.extend(children.map(|children| branches(children, depth + 1)).unwrap_or_default());
        }
    }
    Ok(rows)
}

/// Returns the rows for the children of one process, or for the roots, in reverse order: `tree` takes the next row from the end.
fn branches(list: List<TreeNode>, depth: usize) -> Vec<Branch> {
    let n_more = list.matched.saturating_sub(list.rows.len());
    let nodes = list.rows.into_iter().map(|node| BranchNode::Process(Box::new(node)));
    let more = (n_more > 0).then_some(BranchNode::More(n_more));
    let mut branches: Vec<Branch> = nodes.chain(more).map(|node| Branch { depth, node }).collect();
    branches.reverse();
    branches
}

#[cfg(test)]
mod tests;
