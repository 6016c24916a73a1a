//! The supervision tree.

use cordial_observer::view::{Supervision, TreeNode};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

use super::styles::{ALARM, BOLD, DIM, SELECTED, WARNING};
use super::tasks::{name, state_of};
use crate::top::fetch::{Branch, BranchNode};
use crate::top::state::TopState;
use crate::top::words::{clean, count, duration, share};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, rows: &[Branch], state: &TopState) {
    let shown = rows.iter().enumerate().skip(state.wanted.first).take(state.wanted.rows);
    let shown = shown.map(|(index, branch)| {
        let row = match &branch.node {
            BranchNode::Process(node) => row(branch.depth, node, state),
            BranchNode::More(n) => Row::new([Cell::from(format!("{}... {n} more", indent(branch.depth))).style(DIM)]),
        };
        row.style(if index == state.selected { SELECTED } else { Style::new() })
    });
    let widths = [
        Constraint::Fill(3),
        Constraint::Fill(2),
        Constraint::Length(13),
        Constraint::Length(5),
        Constraint::Length(6),
    ];
    let heading = ["PROCESS (→ opens, ← closes)", "SUPERVISES", "STATE", "BUSY", "AGE"];
    frame.render_widget(Table::new(shown, widths).header(Row::new(heading).style(BOLD)), area);
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth.min(20))
}

fn row(depth: usize, node: &TreeNode, state: &TopState) -> Row<'static> {
    let Some(task) = &node.task else {
        let id = node.inactive_id.as_deref().map(clean).unwrap_or_default();
        let (what, style) = match (node.inactive_state.as_deref(), node.backoff_ms) {
            (Some("restarting"), Some(after)) => (format!("restarts in {}", duration(after)), WARNING),
            (Some("restarting"), None) => ("restarting".to_owned(), WARNING),
            _ => ("stopped".to_owned(), DIM),
        };
        return Row::new([
            Cell::from(format!("{}  {id}", indent(depth))).style(DIM),
            Cell::default(),
            Cell::from(what).style(style),
        ]);
    };
    let mark = match (node.children, state.wanted.expanded.contains(&task.pid)) {
        (0, _) => "  ",
        (_, true) => "▾ ",
        (_, false) => "▸ ",
    };
    let mut spans = vec![Span::raw(format!("{}{mark}{}", indent(depth), name(task)))];
    if node.below > 0 {
        spans.push(Span::styled(format!(" ({})", count(node.below as f64)), DIM));
    }
    if task.restarts > 0 && node.supervision.is_none() {
        spans.push(Span::styled(format!(" restarted {}×", task.restarts), WARNING));
    }
    let (what, style) = state_of(task);
    Row::new([
        Cell::from(Line::from(spans)),
        supervised(node.supervision.as_ref()),
        Cell::from(what).style(style),
        Cell::from(share(task.busy_share)),
        Cell::from(duration(task.age_ms)),
    ])
}

fn supervised(supervision: Option<&Supervision>) -> Cell<'static> {
    let Some(Supervision { strategy, running, restarts, intensity, .. }) = supervision else { return Cell::default() };
    let mut text = format!("{}, {}", clean(strategy), count(*running as f64));
    if *restarts > 0 {
        text.push_str(&format!(", {restarts} restarts"));
    }
    match intensity {
        // The next restart ends the supervisor.
        Some(intensity) if intensity.limit > 0 && intensity.used >= intensity.limit => Cell::from(text).style(ALARM),
        Some(intensity) if intensity.used > 0 => Cell::from(text).style(WARNING),
        _ => Cell::from(text),
    }
}
