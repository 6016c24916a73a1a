use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

use super::tree;
use crate::top::fetch::{Branch, BranchNode};
use crate::top::state::TopState;

/// Draws on a screen of this size, and returns its lines.
fn lines(width: u16, height: u16, draw: impl FnOnce(&mut ratatui::Frame<'_>)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(draw).unwrap();
    let cells = terminal.backend().buffer().content();
    cells.chunks(usize::from(width)).map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
}

/// A row of the tree that is a process without children.
fn process() -> Branch {
    let node = json!({
        "pid": "<1.4.1>", "label": "importer", "child_id": null, "kind": "task", "state": "waiting", "worker": null,
        "in_poll_ms": null, "age_ms": 5000, "busy_ms": 1.5, "busy_share": 0.25, "polls": 7, "polls_per_s": 1.5,
        "long_polls": 0, "self_wakes": 0, "place": "crates/shop/src/import.rs:3:4", "caller": null,
        "caller_label": null, "supervisor": null, "supervisor_label": null, "owner": null, "incarnation": 1,
        "linked": 0, "mailbox": null, "restarts": 0, "children": 0, "below": 0, "supervision": null, "alike": null,
        "inactive": false, "inactive_id": null, "inactive_state": null, "backoff_ms": null, "attempt": null,
    });
    Branch { depth: 0, node: BranchNode::Process(serde_json::from_value(node).unwrap()) }
}

/// Where a text begins in a line, in characters.
fn column(line: &str, text: &str) -> Option<usize> {
    line.find(text).map(|at| line[..at].chars().count())
}

#[test]
fn each_value_of_the_tree_is_below_its_heading() {
    let mut state = TopState::new();
    state.set_height(5);
    let shown = lines(100, 5, |frame| tree::draw(frame, frame.area(), &[process()], &state));
    for (heading, value) in [("PROCESS", "  importer"), ("STATE", "waiting"), ("BUSY", "25%"), ("AGE", "5.0s")] {
        assert_eq!(column(&shown[1], value), column(&shown[0], heading), "{heading}: {shown:#?}");
    }
}

#[test]
fn a_narrow_screen_has_whole_words() {
    let mut state = TopState::new();
    state.set_height(2);
    let shown = lines(40, 12, |frame| super::screen::draw(frame, &state, None, None));
    let text = shown.join("\n");
    for whole in [" 4 Crashes ", "q quit  ? help  1-4 view  ↑↓ select"] {
        assert!(text.contains(whole), "{whole} is not in {shown:#?}");
    }
    let list = lines(40, 3, |frame| tree::draw(frame, frame.area(), &[process()], &state));
    assert!(list[1].starts_with("  importer ") && list[1].contains("waiting") && list[1].contains("25%"), "{list:#?}");
}
