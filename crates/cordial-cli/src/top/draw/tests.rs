use cordial_observer::view::{Crashes, Dropped, History, List, Point, Rights, StateCounts, ViewTotals};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

use super::{crashes, question, streams, tasks, tree};
use crate::top::fetch::{Branch, BranchNode, RecentValues, Rows, Screenful};
use crate::top::question::Question;
use crate::top::state::{Detail, TopState, Wanted};

/// Draws on a screen of this size, and returns its lines.
fn lines<T>(width: u16, height: u16, draw: impl FnOnce(&mut ratatui::Frame<'_>) -> T) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| drop(draw(frame))).unwrap();
    let cells = terminal.backend().buffer().content();
    cells.chunks(usize::from(width)).map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
}

/// A process without children, as JSON.
fn process_json() -> serde_json::Value {
    json!({
        "pid": "<1.4.1>", "label": "importer", "child_id": null, "kind": "task", "state": "waiting", "worker": null,
        "in_poll_ms": null, "age_ms": 5000, "busy_ms": 1.5, "busy_share": 0.25, "polls": 7, "polls_per_s": 1.5,
        "long_polls": 0, "self_wakes": 0, "place": "crates/shop/src/import.rs:3:4", "caller": null,
        "caller_label": null, "supervisor": null, "supervisor_label": null, "owner": null, "incarnation": 1,
        "linked": 0, "mailbox": null, "restarts": 0, "children": 0, "below": 0, "supervision": null, "alike": null,
        "inactive": false, "inactive_id": null, "inactive_state": null, "backoff_ms": null, "attempt": null,
    })
}

/// A stream with long numbers, as JSON.
fn stream_json() -> serde_json::Value {
    json!({
        "id": 1, "pid": null, "label": "import", "place": "a.rs:1:1", "age_ms": 1, "in_flight": 12_345, "max": 99_999,
        "total": 234_567, "started": 123_456, "completed": 23_456, "failed": 100_000, "timed_out": 0, "retries": 0,
        "buffered": 100_000, "per_second": 12_345.0,
    })
}

/// A row of the tree.
fn branch(node: serde_json::Value) -> Branch {
    Branch { depth: 0, node: BranchNode::Process(serde_json::from_value(node).unwrap()) }
}

fn process() -> Branch {
    branch(process_json())
}

/// A list with this row only.
fn list<T: serde::de::DeserializeOwned>(row: serde_json::Value) -> List<T> {
    let list = json!({ "total": 1, "matched": 1, "offset": 0, "rows": [row], "at_ms": 0, "refresh_ms": 1000 });
    serde_json::from_value(list).unwrap()
}

/// `514m` would be another duration than `514ms`.
#[test]
fn no_number_is_cut_off() {
    let mut state = TopState::new();
    state.set_height(5);
    let mut busy = process_json();
    (busy["state"], busy["in_poll_ms"]) = (json!("running"), json!(514));
    busy["mailbox"] = json!({ "length": 123_456, "capacity": 200_000, "waiting": 0, "oldest_ms": 1, "handled": 0, "skipped": 0, "in_hand": null });
    let mut child = process_json();
    child.as_object_mut().unwrap().remove("pid");
    child["inactive"] = json!(true);
    (child["inactive_id"], child["inactive_state"], child["backoff_ms"]) =
        (json!("child"), json!("restarting"), json!(514));
    let (busy, streaming) = (list(busy), list(stream_json()));
    let tasks = lines(70, 3, |frame| tasks::draw(frame, frame.area(), &busy, &state)).join("\n");
    let streams = lines(70, 3, |frame| streams::draw(frame, frame.area(), &streaming, &state)).join("\n");
    let tree = lines(70, 3, |frame| tree::draw(frame, frame.area(), &[branch(child)], &state)).join("\n");
    for (shown, texts) in [
        (tasks, &["in poll 514ms ", " 123.5k "][..]),
        (streams, &["123.5k of 234.6k ", " 12.3k ", " 100.0k ", " 12.3k of 100.0k ", " 100.0k "]),
        (tree, &["again in 514ms "]),
    ] {
        for text in texts {
            assert!(shown.contains(text), "{text} is not in {shown}");
        }
    }
}

/// `123.5` would be another number than `123.5k`.
#[test]
fn the_number_of_crashes_is_not_cut_off() {
    let mut state = TopState::new();
    state.set_height(5);
    let group = json!({
        "n": 1, "place": "a.rs:1:1", "exit_kind": "panic", "message": "boom", "count": 123_456, "first_at_ms": 0, "last_at_ms": 0,
        "labels": [],
    });
    let crashes = json!({ "total": 123_456, "dropped": 0, "matched": 1, "groups": [group], "offset": 0, "rows": [] });
    let crashes: Crashes = serde_json::from_value(crashes).unwrap();
    let shown = lines(100, 3, |frame| crashes::draw(frame, frame.area(), &crashes, 0, &state));
    assert!(shown[1].starts_with("123.5k "), "{shown:#?}");
}

#[test]
fn each_action_is_shown_on_a_narrow_screen() {
    let rights =
        json!({ "shut_down": true, "kill": true, "shut_down_subtree": true, "kill_subtree": true, "restart": true });
    let question = Question::new("<1.4.1>".to_owned(), serde_json::from_value(rights).unwrap());
    for width in [80, 65, 40, 20] {
        let shown = lines(width, 24, |frame| question::draw(frame, &question, None));
        let shown = shown.join(" ").replace('│', "").split_whitespace().collect::<Vec<&str>>().join(" ");
        for line in question.lines() {
            assert!(shown.contains(line), "{width}: {line} is not in {shown}");
        }
    }
}

#[test]
fn a_crash_is_not_offered_to_be_ended() {
    let mut state = TopState::new();
    for (detail, is_offered) in [(Detail::Crash(3), false), (Detail::Process("<1.4.1>".to_owned()), true)] {
        state.wanted.detail = Some(detail);
        let shown = lines(80, 24, |frame| super::screen::draw(frame, &state, None, None)).join("\n");
        assert!(shown.contains(" Esc back ") && shown.contains("x end it") == is_offered, "{shown}");
    }
}

/// `260 of 2` would be another number than `260 of 260`.
#[test]
fn the_number_of_tasks_is_not_cut_off() {
    let mut state = TopState::new();
    state.set_height(5);
    let mut tasks: List<cordial_observer::view::Task> = list(process_json());
    (tasks.matched, tasks.total) = (260, 1260);
    for (width, heading) in [
        (100, "  LABEL OR PLACE (260 of 1260)"),
        (80, "  LABEL (260 of 1260)"),
        (70, "  (260 of 1260)"),
        (69, "  LABEL OR PLACE (260 of 1260)"),
        (40, "  LABEL (260 of 1260)"),
        (30, "  (260 of 1260)"),
        (20, "LABEL (260 of 1260)"),
        (10, "LABEL"),
    ] {
        let shown = lines(width, 3, |frame| tasks::draw(frame, frame.area(), &tasks, &state));
        assert!(shown[0].trim_end().ends_with(heading), "{width}: {shown:#?}");
    }
}

#[test]
fn a_narrow_screen_shows_that_rows_are_hidden_and_that_it_is_held() {
    let mut state = TopState::new();
    state.set_height(2);
    state.wanted.filter = "import".to_owned();
    state.is_paused = true;
    let shown = lines(66, 12, |frame| super::screen::draw(frame, &state, None, None)).join("\n");
    assert!(shown.contains(" paused ") && shown.contains(" filter: import "), "{shown}");
}

#[test]
fn an_error_before_the_first_answer_is_shown_to_its_end() {
    let mut state = TopState::new();
    state.set_height(2);
    let error = "the token is missing or wrong: give the whole address that the program has printed";
    let shown = lines(40, 12, |frame| super::screen::draw(frame, &state, None, Some(error)));
    assert_eq!(shown[..3].join(" ").split_whitespace().collect::<Vec<&str>>().join(" "), error, "{shown:#?}");
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
    let tree = lines(40, 3, |frame| tree::draw(frame, frame.area(), &[process()], &state));
    assert!(tree[1].starts_with("  importer ") && tree[1].contains("waiting") && tree[1].contains("25%"), "{tree:#?}");
    let streaming = list(stream_json());
    let streams = lines(40, 3, |frame| streams::draw(frame, frame.area(), &streaming, &state));
    assert!(streams[0].starts_with("DONE ") && streams[1].starts_with("123.5k of 234.6k "), "{streams:#?}");
}

/// What was fetched for a screen that shows this process in full.
fn screenful(pid: &str, detail: &str) -> Screenful {
    let program = json!({
        "name": "shop", "os_pid": 4711, "start_id": "a", "started_at_ms": 0, "processors": 2, "cordial_version": "1",
        "closed": false,
    });
    let overview = json!({
        "program": program, "rights": Rights::default(), "csrf": "", "now": Point::default(), "history": History::default(),
        "workers": [], "counts": StateCounts::default(), "totals": ViewTotals::default(), "busiest": [], "warnings": [],
        "long_polls": [], "crashes_total": 0, "crashes_last_minute": 0, "dropped": Dropped::default(),
    });
    Screenful {
        wanted: Wanted { detail: Some(Detail::Process(pid.to_owned())), ..Wanted::default() },
        overview: serde_json::from_value(overview).unwrap(),
        past: RecentValues::default(),
        list: Rows::None,
        detail: Some(Err(detail.to_owned())),
        list_error: None,
    }
}

/// Keys act on the process that the person has opened, so the screen must not show another one meanwhile.
#[test]
fn a_process_is_not_shown_under_the_name_of_another_one() {
    let mut state = TopState::new();
    let fetched = screenful("<1.4.1>", "the process <1.4.1> has ended");
    let mut shown = |pid: &str, error: Option<&str>| {
        state.wanted.detail = Some(Detail::Process(pid.to_owned()));
        lines(80, 24, |frame| super::screen::draw(frame, &state, Some(&fetched), error)).join("\n")
    };
    assert!(shown("<1.4.1>", None).contains("the process <1.4.1> has ended"));
    let other = shown("<1.5.1>", None);
    assert!(!other.contains("<1.4.1>") && other.contains("<1.5.1>") && other.contains("asking the program"), "{other}");
    let unreachable = shown("<1.5.1>", Some("the program does not answer"));
    assert!(!unreachable.contains("<1.4.1>") && unreachable.contains("│the program does not answer"), "{unreachable}");
}

/// The text of the detail is wrapped into several lines, and the screen has room for few of them.
#[test]
fn a_detail_and_the_help_are_scrolled_to_their_last_line_and_no_further() {
    let mut state = TopState::new();
    let words: Vec<String> = (0..200).map(|n| format!("word{n}")).collect();
    let fetched = screenful("<1.4.1>", &words.join(" "));
    let shown_at = |state: &mut TopState, scrolled| {
        state.scrolled = scrolled;
        let mut end = 0;
        let shown = lines(40, 12, |frame| end = super::screen::draw(frame, state, Some(&fetched), None));
        (shown.join("\n"), end)
    };
    state.wanted.detail = Some(Detail::Process("<1.4.1>".to_owned()));
    let (first, at) = shown_at(&mut state, 0);
    assert!(at == 0 && first.contains("word0 ") && !first.contains("word199"), "{first}");
    let (last, end) = shown_at(&mut state, u16::MAX);
    assert!(last.contains("word199") && last.contains("word180"), "{last}");
    assert_eq!(shown_at(&mut state, end), (last, end));
    assert!(!shown_at(&mut state, end - 1).0.contains("word199"));
    state.shows_help = true;
    let (last, end) = shown_at(&mut state, u16::MAX);
    assert!((1..30).contains(&end) && last.contains("queue  tasks that are ready"), "{end}: {last}");
}

/// `spawn 0/` would be another number than `spawn 0/s`.
#[test]
fn a_very_narrow_screen_has_fewer_columns_and_whole_numbers() {
    let mut state = TopState::new();
    state.set_height(2);
    let fetched = screenful("<1.4.1>", "");
    for (width, texts) in [
        (39, &["busy 0%", "spawn 0/s", "crash 0/s", " 1 Tasks  2 Tree  3 Streams  4 Crashes "][..]),
        (30, &["busy 0%", "crash 0/s", " 1 Tasks  2  3  4 "]),
        (20, &["busy 0%", "crash 0/s", " 1 Tasks  2  3  4 "]),
        (12, &["busy 0%", " 1 Tasks  2"]),
    ] {
        let shown = lines(width, 12, |frame| super::screen::draw(frame, &state, Some(&fetched), None)).join("\n");
        assert!(texts.iter().all(|text| shown.contains(text)), "{width}: {shown}");
        assert_eq!(shown.contains("spawn"), width == 39, "{width}: {shown}");
    }
    let one = list(process_json());
    for (width, row) in [(39, "waiting        importer"), (26, "waiting        importer"), (25, "importer")] {
        let tasks = lines(width, 3, |frame| tasks::draw(frame, frame.area(), &one, &state));
        assert_eq!(tasks[1].trim_end(), row, "{tasks:#?}");
        let tree = lines(width, 3, |frame| tree::draw(frame, frame.area(), &[process()], &state));
        assert!(tree[1].starts_with("  importer") && tree[1].contains("waiting") == (width > 25), "{tree:#?}");
    }
    let streaming = list(stream_json());
    for (width, row) in [(39, "123.5k of 234.6k import"), (25, "import")] {
        let streams = lines(width, 3, |frame| streams::draw(frame, frame.area(), &streaming, &state));
        assert_eq!(streams[1].trim_end(), row, "{streams:#?}");
    }
}
