//! One level of the tree.

use cordial::process::Inspector;
use serde::Deserialize;

use super::alike::{Shown, alike, fold, of_place};
use super::filter::BadRequest;
use super::rows::{inactive_state, supervision, task};
use super::tasks::{Sort, limit, parse_pid, part};
use crate::clock::in_ms;
use crate::source::{Scan, shown_label};
use crate::view::{List, TreeNode};

/// The parameters of `GET /api/tree`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TreeQuery {
    parent: Option<String>,
    fold: bool,
    alike: Option<String>,
    sort: Option<Sort>,
    descending: Option<bool>,
    offset: usize,
    limit: Option<usize>,
}

/// Returns the processes directly below a process, followed by its children that have no process; or the roots.
pub(crate) fn tree(
    scan: &Scan,
    inspector: &Inspector,
    query: &TreeQuery,
    refresh_ms: u64,
) -> Result<List<TreeNode>, BadRequest> {
    let parent = match query.parent.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let gone = || BadRequest {
                field: "parent",
                error: format!("the process {text} has ended, or there never was one"),
            };
            Some(scan.index_of(parse_pid("parent", text)?).ok_or_else(gone)?)
        }
    };
    let limit = limit(query.limit);
    if let Some(place) = &query.alike {
        let alike = of_place(scan, scan.directly_below(parent), place);
        let rows = alike.iter().skip(query.offset).take(limit);
        let rows = rows.map(|index| node(scan, inspector, *index as usize)).collect();
        let total = alike.len();
        return Ok(List { total, matched: total, offset: query.offset, rows, at_ms: scan.at_ms, refresh_ms });
    }
    let below = scan.directly_below(parent);
    let mut n_shown = below.len();
    let nodes: Vec<Shown> = match query.sort {
        Some(sort) => {
            let descending = query.descending.unwrap_or(sort.is_descending());
            let sorted = part(scan, below, sort, descending, query.offset, limit);
            sorted.into_iter().map(Shown::Process).collect()
        }
        None if query.fold => {
            let folded = fold(scan, owners_first(scan, below));
            n_shown = folded.len();
            folded.into_iter().skip(query.offset).take(limit).collect()
        }
        None => owners_first(scan, below).skip(query.offset).take(limit).map(Shown::Process).collect(),
    };
    let row = |shown: &Shown| match *shown {
        Shown::Process(index) => node(scan, inspector, index as usize),
        Shown::Alike { first, count } => {
            TreeNode { children: count, below: count, alike: Some(alike(scan, first, count)), ..TreeNode::default() }
        }
    };
    let mut rows: Vec<TreeNode> = nodes.iter().map(row).collect();
    let inactive = parent.and_then(|index| scan.supervision(scan.rows()[index].pid));
    let inactive = inactive.map_or(&[][..], |supervision| &supervision.inactive);
    let shown_before = query.offset.saturating_sub(n_shown);
    let left = limit - rows.len();
    rows.extend(inactive.iter().skip(shown_before).take(left).map(|child| TreeNode {
        inactive: true,
        inactive_id: shown_label(Some(&child.id)),
        inactive_state: Some(inactive_state(child.state).to_owned()),
        backoff_ms: child.restart_in.map(in_ms),
        attempt: Some(child.incarnation),
        ..TreeNode::default()
    }));
    let (total, matched) = (below.len() + inactive.len(), n_shown + inactive.len());
    Ok(List { total, matched, offset: query.offset, rows, at_ms: scan.at_ms, refresh_ms })
}

/// Returns the supervisors and the processes that have processes below them, followed by the others; both in the given order.
fn owners_first<'a>(scan: &'a Scan, below: &'a [u32]) -> impl Iterator<Item = u32> + Clone + 'a {
    let owns = |index: &&u32| {
        let row = &scan.rows()[**index as usize];
        scan.n_below(**index as usize) > 0 || scan.supervision(row.pid).is_some()
    };
    below.iter().filter(owns).chain(below.iter().filter(move |index| !owns(index))).copied()
}

/// Returns a process as a node of the tree.
pub(crate) fn node(scan: &Scan, inspector: &Inspector, index: usize) -> TreeNode {
    let info = scan.supervision(scan.rows()[index].pid);
    let n_inactive = info.map_or(0, |info| info.inactive.len());
    TreeNode {
        task: Some(task(scan, inspector, index)),
        children: scan.directly_below(Some(index)).len() + n_inactive,
        below: scan.n_below(index),
        supervision: info.map(supervision),
        ..TreeNode::default()
    }
}
