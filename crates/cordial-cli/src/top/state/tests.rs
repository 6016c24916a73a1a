use super::*;

/// Presses keys that ask for nothing beyond a change of the state.
fn press(state: &mut TopState, keys: &[KeyCode]) {
    for key in keys {
        assert_eq!(state.key(KeyEvent::from(*key)), KeyEffect::Nothing);
    }
}

fn with_rows(n: usize) -> TopState {
    let mut state = TopState::new();
    state.set_height(10);
    state.set_rows((0..10).map(|n| RowKey::Process(format!("<1.{n}.1>"))).collect(), n);
    state
}

#[test]
fn the_selected_row_is_always_shown() {
    use KeyCode::{Char, Down, End, PageDown, PageUp, Up};

    let mut state = with_rows(100);
    for (keys, selected, first) in [
        (&[Up][..], 0, 0),
        (&[Down; 9], 9, 0),
        (&[Down], 10, 1),
        (&[PageDown], 19, 10),
        (&[End], 99, 90),
        (&[Down], 99, 90),
        (&[PageUp], 90, 90),
        (&[Up], 89, 89),
        (&[Char('g')], 0, 0),
    ] {
        press(&mut state, keys);
        assert_eq!((state.selected, state.wanted.first), (selected, first), "{keys:?}");
    }
    press(&mut state, &[End]);
    state.set_rows(Vec::new(), 5);
    assert_eq!((state.selected, state.wanted.first), (4, 4), "the list has become shorter");
    state.set_rows(Vec::new(), 0);
    assert_eq!((state.selected, state.wanted.first), (0, 0));
}

#[test]
fn the_selected_process_stays_selected_while_rows_move() {
    use KeyCode::{Char, Down, Enter, Esc};

    let rows = |names: &[&str]| names.iter().map(|name| RowKey::Process((*name).to_owned())).collect::<Vec<RowKey>>();
    let mut state = TopState::new();
    state.set_rows(rows(&["a", "b", "c"]), 3);
    state.set_rows(rows(&["c", "a", "b"]), 3);
    assert_eq!(state.selected, 0, "no row was selected");
    press(&mut state, &[Down]);
    state.set_rows(rows(&["b", "c", "a"]), 3);
    assert_eq!(state.selected, 2);
    press(&mut state, &[Enter]);
    assert_eq!(state.wanted.detail, Some(Detail::Process("a".to_owned())));
    press(&mut state, &[Esc]);
    state.set_rows(rows(&["b", "c"]), 2);
    assert_eq!(state.selected, 1, "it has ended");
    press(&mut state, &[Char('g')]);
    state.set_rows(rows(&["c", "b"]), 2);
    assert_eq!(state.selected, 0, "the first one, whichever that is");
}

#[test]
fn an_action_needs_a_line_and_enter_and_is_sent_once() {
    use KeyCode::{Char, Down, Enter, Esc};

    let rights = |text: &str| serde_json::from_str::<Rights>(text).unwrap();
    let mut state = with_rows(10);
    press(&mut state, &[Down, Char('x')]);
    let stage = |state: &TopState| state.question.as_ref().map(|question| question.stage.clone());
    assert!(matches!(stage(&state), Some(Stage::Answered(Err(why))) if why.contains("allows no actions")));
    press(&mut state, &[Enter]);
    assert_eq!(stage(&state), None);
    state.rights =
        rights(r#"{"shut_down":true,"kill":true,"shut_down_subtree":false,"kill_subtree":false,"restart":false}"#);
    press(&mut state, &[Char('x'), Enter]);
    assert_eq!(stage(&state), None, "the first line does nothing");
    press(&mut state, &[Char('x'), Down, Down, Down]);
    let lines: Vec<&str> = state.question.as_ref().unwrap().lines().collect();
    assert!(lines.len() == 3 && lines[2].starts_with("kill:"), "{lines:?}");
    assert_eq!(state.key(KeyEvent::from(Enter)), KeyEffect::Do(ActionKind::Kill, "<1.1.1>".to_owned()));
    press(&mut state, &[Enter, Enter, Char('q')]);
    assert_eq!(stage(&state), Some(Stage::Sent(ActionKind::Kill)), "it is sent once");
    state.answered("<1.9.1>", ActionKind::Kill, Ok("another process".to_owned()));
    state.answered("<1.1.1>", ActionKind::ShutDown, Ok("an earlier action".to_owned()));
    assert_eq!(stage(&state), Some(Stage::Sent(ActionKind::Kill)));
    state.answered("<1.1.1>", ActionKind::Kill, Ok("it has ended".to_owned()));
    assert_eq!(stage(&state), Some(Stage::Answered(Ok("it has ended".to_owned()))));
    press(&mut state, &[Char('x'), Char('x'), Esc]);
    assert_eq!(stage(&state), None);
    state.answered("<1.1.1>", ActionKind::Kill, Ok("too late".to_owned()));
    assert_eq!(stage(&state), None);
}

#[test]
fn a_filter_is_typed_and_removed() {
    use KeyCode::{Backspace, Char, Enter, Esc};

    let mut state = with_rows(10);
    press(&mut state, &[Char('2'), Char('/'), Char('q'), Char('?'), Backspace, Char('x'), Enter]);
    assert_eq!((state.wanted.view, &*state.wanted.filter), (View::Tasks, "qx"));
    press(&mut state, &[Char('/'), Char('y'), Esc]);
    assert_eq!(state.wanted.filter, "qx", "Esc keeps the last filter");
    press(&mut state, &[Esc]);
    assert_eq!(state.wanted.filter, "");
}

#[test]
fn rows_are_opened_and_branches_expanded() {
    use KeyCode::{Char, Down, Enter, Esc, Left, Right};

    let mut state = with_rows(10);
    press(&mut state, &[Down, Enter]);
    assert_eq!(state.wanted.detail, Some(Detail::Process("<1.1.1>".to_owned())));
    press(&mut state, &[Down, Down, Esc]);
    assert_eq!((state.wanted.detail.clone(), state.scrolled, state.selected), (None, 2, 1));
    press(&mut state, &[Char('2')]);
    state.set_roots(&["a".to_owned()]);
    state.set_roots(&["b".to_owned()]);
    assert!(state.wanted.expanded.remove("a") && state.wanted.expanded.is_empty(), "only the first time");
    state.set_rows(vec![RowKey::Process("a".to_owned()), RowKey::None], 2);
    press(&mut state, &[Right, Down, Right, Enter]);
    assert_eq!((state.wanted.expanded.len(), state.wanted.detail.clone()), (1, None));
    press(&mut state, &[Char('g'), Left]);
    assert!(state.wanted.expanded.is_empty());
}

#[test]
fn sorting_begins_with_the_largest_number_or_the_first_name() {
    use KeyCode::Char;

    let mut state = with_rows(10);
    press(&mut state, &[Char('s')]);
    assert_eq!((SORTS[state.wanted.sort], state.wanted.is_descending), ("age", true));
    press(&mut state, &[Char('s')]);
    assert_eq!(SORTS[state.wanted.sort], "poll_rate", "as the column shows it");
    press(&mut state, &[Char('s'), Char('s')]);
    assert_eq!((SORTS[state.wanted.sort], state.wanted.is_descending), ("label", false));
    press(&mut state, &[Char('r'), Char('S')]);
    assert_eq!((SORTS[state.wanted.sort], state.wanted.is_descending), ("mailbox", true));
}

#[test]
fn help_scrolls_and_closes_with_any_other_key_and_the_program_ends_with_q_and_control_c() {
    let mut state = with_rows(10);
    press(&mut state, &[KeyCode::Char('?')]);
    assert!(state.shows_help);
    // A small screen does not show all of it at once.
    press(&mut state, &[KeyCode::Down, KeyCode::PageDown, KeyCode::Up]);
    assert_eq!((state.shows_help, state.scrolled), (true, 10));
    press(&mut state, &[KeyCode::Char('x')]);
    assert!(!state.shows_help);
    assert_eq!(state.key(KeyEvent::from(KeyCode::Char('q'))), KeyEffect::Quit);
    press(&mut state, &[KeyCode::Char('/')]);
    assert_eq!(state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), KeyEffect::Quit);
}

#[test]
fn the_views_follow_each_other() {
    let mut state = with_rows(10);
    let mut next = |key| {
        press(&mut state, &[key]);
        state.wanted.view
    };
    let forwards = [KeyCode::Tab; 4].map(&mut next);
    assert_eq!(forwards, [View::Tree, View::Streams, View::Crashes, View::Tasks]);
    assert_eq!(
        [KeyCode::BackTab, KeyCode::Char('3'), KeyCode::Char('1')].map(next),
        [View::Crashes, View::Streams, View::Tasks]
    );
}

#[test]
fn a_screen_that_is_held_still_takes_what_a_key_asks_for() {
    use KeyCode::{Char, Down, Enter};

    let mut state = with_rows(10);
    let shown = state.wanted.clone();
    assert!(state.takes(&shown, None) && state.takes(&shown, Some(&shown)));
    press(&mut state, &[Char(' ')]);
    assert!(!state.takes(&shown, Some(&shown)), "it is held still");
    assert!(state.takes(&shown, None), "nothing was shown before");
    press(&mut state, &[Down, Enter]);
    let detail = state.wanted.clone();
    assert!(state.takes(&detail, Some(&shown)) && !state.takes(&detail, Some(&detail)));
    assert!(!state.takes(&shown, Some(&shown)), "it was fetched before the key");
}

#[test]
fn a_failed_request_for_the_list_keeps_the_selected_process() {
    use KeyCode::{Char, Down, Enter};

    let mut state = with_rows(100);
    press(&mut state, &[Down; 9]);
    press(&mut state, &[Down]);
    state.set_rows((1..11).map(|n| RowKey::Process(format!("<1.{n}.1>"))).collect(), 100);
    let before = (state.selected, state.wanted.clone());
    state.forget_rows();
    press(&mut state, &[Enter, Char('x')]);
    assert!(state.wanted.detail.is_none() && state.question.is_none(), "no row is shown");
    assert_eq!((state.selected, state.wanted.clone()), before);
    state.set_rows((2..12).map(|n| RowKey::Process(format!("<1.{n}.1>"))).collect(), 100);
    assert_eq!(state.selected, 9, "it is one row further up");
}

#[test]
fn without_a_filter_esc_keeps_the_selected_row() {
    use KeyCode::{Char, Down, Enter, Esc};

    let mut state = with_rows(10);
    press(&mut state, &[Down, Esc]);
    assert_eq!(state.selected, 1);
    press(&mut state, &[Char('/'), Char('a'), Enter, Down, Esc]);
    assert_eq!((state.selected, &*state.wanted.filter), (0, ""));
}

/// A process of the program after its restart may have the pid of an earlier one.
#[test]
fn a_question_about_a_process_is_closed_when_the_program_was_started_again() {
    use KeyCode::{Char, Down, Enter};

    let mut state = with_rows(10);
    assert!(!state.note_start("a"), "the first start is no restart");
    press(&mut state, &[Down, Char(' '), Char('x')]);
    assert!(!state.note_start("a"));
    assert!(state.question.is_some());
    assert!(state.note_start("b"));
    assert!(state.question.is_none() && !state.is_paused);
    assert_eq!(state.selected_key(), None);
    state.set_rows(vec![RowKey::Process("<1.2.1>".to_owned())], 1);
    press(&mut state, &[Enter]);
    assert!(state.wanted.detail.is_some());
    assert!(state.note_start("c"));
    assert_eq!(state.wanted.detail, None);
}
