//! The supervision tree.

use cordial_observer::view::{Supervision, TreeNode};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

use super::styles::{ALARM, BOLD, DIM, SELECTED, WARNING};
use super::tasks::{name, state_of};
use super::width::{FULL_WIDTH, HALF_WIDTH, LEAST_WIDTH, STATE, of_width};
use crate::top::fetch::{Branch, BranchNode};
use crate::top::state::TopState;
use crate::top::words::{clean, count, duration, share};

/// For each column, the least width of a screen on which it is shown.
const LEAST: [u16; 5] = [0, FULL_WIDTH, LEAST_WIDTH, HALF_WIDTH, FULL_WIDTH];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, rows: &[Branch], state: &TopState) {
    let shown = rows.iter().enumerate().skip(state.wanted.first).take(state.wanted.rows);
    let shown = shown.map(|(index, branch)| {
        let row = match &branch.node {
            BranchNode::Process(node) => row(branch.depth, node, state, area.width),
            BranchNode::More(n) => Row::new([Cell::from(format!("{}... {n} more", indent(branch.depth))).style(DIM)]),
        };
        row.style(if index == state.selected { SELECTED } else { Style::new() })
    });
    let columns = [
        (if area.width < HALF_WIDTH { "PROCESS" } else { "PROCESS (→ opens, ← closes)" }, Constraint::Fill(3)),
        ("SUPERVISES", Constraint::Fill(2)),
        ("STATE", Constraint::Length(STATE)),
        ("BUSY", Constraint::Length(5)),
        ("AGE", Constraint::Length(6)),
    ];
    let (headings, widths): (Vec<_>, Vec<_>) = of_width(columns, LEAST, area.width).into_iter().unzip();
    frame.render_widget(Table::new(shown, widths).header(Row::new(headings).style(BOLD)), area);
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth.min(20))
}

fn row(depth: usize, node: &TreeNode, state: &TopState, width: u16) -> Row<'static> {
    let Some(task) = &node.task else {
        let id = node.inactive_id.as_deref().map(clean).unwrap_or_default();
        let (what, style) = match (node.inactive_state.as_deref(), node.backoff_ms) {
            (Some("restarting"), Some(after)) => (format!("again in {}", duration(after)), WARNING),
            (Some("restarting"), None) => ("restarting".to_owned(), WARNING),
            _ => ("stopped".to_owned(), DIM),
        };
        let cells = [
            Cell::from(format!("{}  {id}", indent(depth))).style(DIM),
            empty(),
            Cell::from(what).style(style),
            empty(),
            empty(),
        ];
        return Row::new(of_width(cells, LEAST, width));
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
    let cells = [
        Cell::from(Line::from(spans)),
        supervised(node.supervision.as_ref()),
        Cell::from(what).style(style),
        Cell::from(share(task.busy_share)),
        Cell::from(duration(task.age_ms)),
    ];
    Row::new(of_width(cells, LEAST, width))
}

/// Returns a cell without text. `Cell::default` would take no column, and the next cell would move into its place.
fn empty() -> Cell<'static> {
    Cell::from("")
}

fn supervised(supervision: Option<&Supervision>) -> Cell<'static> {
    let Some(Supervision { strategy, running, restarts, intensity, .. }) = supervision else { return empty() };
    let mut text = format!("{}, {}", clean(strategy), count(*running as f64));
    if *restarts > 0 {
        let s = if *restarts == 1 { "" } else { "s" };
        text.push_str(&format!(", {restarts} restart{s}"));
    }
    match intensity {
        // The next restart would exceed the limit, and end the supervisor.
        Some(intensity) if intensity.limit > 0 && intensity.used >= intensity.limit => Cell::from(text).style(ALARM),
        Some(intensity) if intensity.used > 0 => Cell::from(text).style(WARNING),
        _ => Cell::from(text),
    }
}
