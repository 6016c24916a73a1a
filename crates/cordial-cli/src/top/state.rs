//! What the person has chosen to see, and what each key changes. Does no input or output.

use std::collections::BTreeSet;

use cordial_observer::view::{ActionKind, Rights};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::question::{Decision, Question, Stage};

/// A list of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    #[default]
    Tasks,
    Tree,
    Streams,
    Crashes,
}

/// The lists, in the order of their keys.
pub(super) const VIEWS: [View; 4] = [View::Tasks, View::Tree, View::Streams, View::Crashes];

/// The columns of the table of tasks by which it can be sorted, as the endpoint names them.
pub(super) const SORTS: [&str; 7] = ["busy_share", "age", "poll_rate", "mailbox", "label", "place", "state"];

/// The view, and the part of its rows, that `top` fetches for the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) view: View,
    pub(super) sort: usize,
    pub(super) is_descending: bool,
    pub(super) filter: String,
    /// The first row and the number of rows.
    pub(super) first: usize,
    pub(super) rows: usize,
    /// The processes of the tree whose children are shown.
    pub(super) expanded: BTreeSet<String>,
    /// The process or the crash that is shown in full.
    pub(super) detail: Option<Detail>,
}

/// The process or the crash that is shown in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Process(String),
    Crash(u64),
}

/// A row of the list, as far as keys need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowKey {
    Process(String),
    Crash(u64),
    /// A row that stands for neither a process nor a crash, such as "12 more".
    None,
}

/// The state of the screen.
#[derive(Debug)]
pub(super) struct TopState {
    pub(super) wanted: Wanted,
    /// The selected row, counted from the first of the whole list.
    pub(super) selected: usize,
    /// Whether a person has selected a row of this list, and which process or crash that is, if it is known.
    has_chosen: bool,
    chosen: Option<RowKey>,
    /// Rows of the list, and the index of the first of them in the whole list. `Wanted::first` may have changed since.
    pub(super) keys: Vec<RowKey>,
    keys_from: usize,
    /// How many rows the whole list has.
    pub(super) n_rows: usize,
    /// The filter while it is typed.
    pub(super) typed: Option<String>,
    pub(super) shows_help: bool,
    /// Identifies the start of the observed program, according to the last overview.
    start_id: Option<String>,
    /// What this client may do, according to the last overview.
    pub(super) rights: Rights,
    pub(super) question: Option<Question>,
    pub(super) is_paused: bool,
    /// How far a detail or the help is scrolled.
    pub(super) scrolled: u16,
    /// Whether `set_roots` was called, or a branch of the tree was expanded or collapsed.
    has_changed_tree: bool,
}

/// What a key asks for beyond a change of the state.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyEffect {
    Nothing,
    /// To carry out this action on this process.
    Do(ActionKind, String),
    /// To draw the whole screen again, because another program has written to it.
    Redraw,
    /// To suspend the program, as Ctrl-Z does when the terminal reads it.
    Suspend,
    Quit,
}

impl TopState {
    pub(super) fn new() -> TopState {
        TopState {
            wanted: Wanted { is_descending: true, rows: 20, ..Wanted::default() },
            selected: 0,
            has_chosen: false,
            chosen: None,
            keys: Vec::new(),
            keys_from: 0,
            n_rows: 0,
            typed: None,
            shows_help: false,
            start_id: None,
            rights: Rights::default(),
            question: None,
            is_paused: false,
            scrolled: 0,
            has_changed_tree: false,
        }
    }

    /// Takes the identifier of the start of the observed program. Returns whether that program was started again: its processes are others
    /// then, and may have the pids of earlier ones. So everything that names a process or a crash is forgotten.
    pub(super) fn note_start(&mut self, start_id: &str) -> bool {
        if self.start_id.as_deref() == Some(start_id) {
            return false;
        }
        let is_restart = self.start_id.replace(start_id.to_owned()).is_some();
        if is_restart {
            self.show(self.wanted.view);
            self.wanted.expanded.clear();
            self.wanted.detail = None;
            (self.question, self.is_paused, self.has_changed_tree) = (None, false, false);
        }
        is_restart
    }

    /// Returns whether the screen takes what was fetched for `wanted`. `shown` is what the content of the screen was fetched for. While
    /// the screen is held still, it takes only what a key has asked for since then.
    pub(super) fn takes(&self, wanted: &Wanted, shown: Option<&Wanted>) -> bool {
        wanted.view == self.wanted.view && (!self.is_paused || shown != Some(wanted))
    }

    /// Sets the number of rows of the list, and the rows from `Wanted::first` on. The process or crash that a person has selected
    /// stays selected while it is among these.
    pub(super) fn set_rows(&mut self, keys: Vec<RowKey>, n_rows: usize) {
        let chosen = self.chosen.take();
        (self.keys, self.keys_from, self.n_rows) = (keys, self.wanted.first, n_rows);
        let moved = chosen.as_ref().and_then(|chosen| self.keys.iter().position(|key| key == chosen));
        self.select(moved.map_or(self.selected, |index| self.keys_from + index));
        self.note_chosen();
    }

    /// Forgets the rows, because they could not be fetched. The selection stays, also for the next `set_rows`.
    pub(super) fn forget_rows(&mut self) {
        self.keys.clear();
    }

    /// Notes which process or crash a person has selected, if that row is there.
    fn note_chosen(&mut self) {
        let key = self.selected_key().filter(|key| self.has_chosen && **key != RowKey::None);
        self.chosen = key.cloned();
    }

    /// Takes the roots of the tree. The first time, expands them if there are at most three, unless a key has changed the tree before:
    /// a program whose only root is collapsed would show nothing below it.
    pub(super) fn set_roots(&mut self, roots: &[String]) {
        if !std::mem::replace(&mut self.has_changed_tree, true) && roots.len() <= 3 {
            self.wanted.expanded.extend(roots.iter().cloned());
        }
    }

    /// Sets for how many rows of the list the screen has room.
    pub(super) fn set_height(&mut self, rows: usize) {
        self.wanted.rows = rows.max(1);
        self.select(self.selected);
    }

    /// Returns the selected row, if it was fetched.
    fn selected_key(&self) -> Option<&RowKey> {
        self.keys.get(self.selected.checked_sub(self.keys_from)?)
    }

    /// Selects a row, and scrolls so that it is shown.
    fn select(&mut self, row: usize) {
        self.selected = row.min(self.n_rows.saturating_sub(1));
        let Wanted { first, rows, .. } = &mut self.wanted;
        *first = (*first).min(self.selected).max((self.selected + 1).saturating_sub(*rows));
    }

    /// Like `select`, for a row that the person has chosen.
    fn choose(&mut self, row: usize) {
        self.select(row);
        self.has_chosen = true;
        self.note_chosen();
    }

    /// Selects the first row, whichever that will be.
    fn select_first(&mut self) {
        (self.has_chosen, self.chosen) = (false, None);
        self.select(0);
    }

    fn show(&mut self, view: View) {
        self.wanted.view = view;
        self.wanted.first = 0;
        self.selected = 0;
        (self.has_chosen, self.chosen) = (false, None);
        self.keys.clear();
        self.n_rows = 0;
    }

    /// Shows the list that is this many places after the current one.
    fn show_next(&mut self, n: usize) {
        let current = VIEWS.iter().position(|view| *view == self.wanted.view).expect("`VIEWS` has every view");
        self.show(VIEWS[(current + n) % VIEWS.len()]);
    }

    fn sort_by(&mut self, sort: usize) {
        self.wanted.sort = sort;
        // Names are sorted in ascending order, numbers in descending order.
        self.wanted.is_descending = sort < 4;
        self.select_first();
    }

    /// Applies a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> KeyEffect {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => KeyEffect::Quit,
                KeyCode::Char('l') => KeyEffect::Redraw,
                KeyCode::Char('z') => KeyEffect::Suspend,
                _ => KeyEffect::Nothing,
            };
        }
        if self.typed.is_some() {
            self.type_filter(key.code);
            return KeyEffect::Nothing;
        }
        if let Some(question) = &mut self.question {
            return match question.key(key.code) {
                Decision::None => KeyEffect::Nothing,
                Decision::Close => {
                    self.question = None;
                    KeyEffect::Nothing
                }
                Decision::Do(kind) => KeyEffect::Do(kind, question.pid.clone()),
            };
        }
        if self.shows_help {
            if self.scroll(key.code) {
                return KeyEffect::Nothing;
            }
            self.shows_help = false;
            return if key.code == KeyCode::Char('q') { KeyEffect::Quit } else { KeyEffect::Nothing };
        }
        if self.wanted.detail.is_some() {
            return self.detail_key(key.code);
        }
        let page = self.wanted.rows.saturating_sub(1).max(1);
        match key.code {
            KeyCode::Char('q') => return KeyEffect::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => {
                self.shows_help = true;
                self.scrolled = 0;
            }
            KeyCode::Char(' ') => self.is_paused = !self.is_paused,
            KeyCode::Char(digit @ '1'..='4') => self.show(VIEWS[usize::from(digit as u8 - b'1')]),
            KeyCode::Tab => self.show_next(1),
            KeyCode::BackTab => self.show_next(VIEWS.len() - 1),
            KeyCode::Up | KeyCode::Char('k') => self.choose(self.selected.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.choose(self.selected.saturating_add(1)),
            KeyCode::PageUp => self.choose(self.selected.saturating_sub(page)),
            KeyCode::PageDown => self.choose(self.selected.saturating_add(page)),
            KeyCode::Home | KeyCode::Char('g') => self.select_first(),
            KeyCode::End | KeyCode::Char('G') => self.choose(usize::MAX),
            KeyCode::Char('s') if self.wanted.view == View::Tasks => self.sort_by((self.wanted.sort + 1) % SORTS.len()),
            KeyCode::Char('S') if self.wanted.view == View::Tasks => {
                self.sort_by((self.wanted.sort + SORTS.len() - 1) % SORTS.len());
            }
            KeyCode::Char('r') if self.wanted.view == View::Tasks => {
                self.wanted.is_descending = !self.wanted.is_descending;
                self.select_first();
            }
            KeyCode::Char('/') => {
                // Only the view of the tasks has a filter.
                if self.wanted.view != View::Tasks {
                    self.show(View::Tasks);
                }
                self.typed = Some(self.wanted.filter.clone());
            }
            KeyCode::Esc if !self.wanted.filter.is_empty() => {
                self.wanted.filter.clear();
                self.select_first();
            }
            KeyCode::Right | KeyCode::Char('l') => self.expand(true),
            KeyCode::Left => self.expand(false),
            KeyCode::Enter => self.open(),
            KeyCode::Char('x') => {
                if let Some(RowKey::Process(pid)) = self.selected_key().cloned() {
                    self.ask(pid);
                }
            }
            _ => {}
        }
        KeyEffect::Nothing
    }

    /// Asks what to do with a process.
    fn ask(&mut self, pid: String) {
        self.question = Some(Question::new(pid, self.rights));
    }

    /// Takes the answer to an action on this process. The person may have closed the question, or opened another one.
    pub(super) fn answered(&mut self, pid: &str, kind: ActionKind, answer: Result<String, String>) {
        if let Some(question) = self.question.as_mut().filter(|question| question.pid == pid)
            && question.stage == Stage::Sent(kind)
        {
            question.stage = Stage::Answered(answer);
        }
    }

    fn type_filter(&mut self, code: KeyCode) {
        let Some(typed) = &mut self.typed else { return };
        match code {
            KeyCode::Enter => {
                self.wanted.filter = self.typed.take().unwrap_or_default();
                self.select_first();
            }
            KeyCode::Esc => self.typed = None,
            KeyCode::Backspace => _ = typed.pop(),
            KeyCode::Char(c) if typed.len() < 200 => typed.push(c),
            _ => {}
        }
    }

    fn detail_key(&mut self, code: KeyCode) -> KeyEffect {
        match code {
            KeyCode::Char('q') => return KeyEffect::Quit,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Left | KeyCode::Backspace => self.wanted.detail = None,
            KeyCode::Char('x') => {
                if let Some(Detail::Process(pid)) = self.wanted.detail.clone() {
                    self.ask(pid);
                }
            }
            code => {
                self.scroll(code);
            }
        }
        KeyEffect::Nothing
    }

    /// Scrolls a detail or the help. Returns whether the key does that.
    fn scroll(&mut self, code: KeyCode) -> bool {
        self.scrolled = match code {
            KeyCode::Up | KeyCode::Char('k') => self.scrolled.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.scrolled.saturating_add(1),
            KeyCode::PageUp => self.scrolled.saturating_sub(10),
            KeyCode::PageDown => self.scrolled.saturating_add(10),
            _ => return false,
        };
        true
    }

    fn expand(&mut self, is_expanded: bool) {
        if self.wanted.view != View::Tree {
            return;
        }
        let Some(RowKey::Process(pid)) = self.selected_key().cloned() else { return };
        self.has_changed_tree = true;
        if is_expanded {
            self.wanted.expanded.insert(pid);
        } else {
            self.wanted.expanded.remove(&pid);
        }
    }

    fn open(&mut self) {
        self.scrolled = 0;
        self.wanted.detail = match self.selected_key() {
            Some(RowKey::Process(pid)) => Some(Detail::Process(pid.clone())),
            Some(RowKey::Crash(number)) => Some(Detail::Crash(*number)),
            Some(RowKey::None) | None => None,
        };
    }
}

#[cfg(test)]
mod tests;
