//! The main thread: waits for keys, takes what was fetched, and draws.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, channel, sync_channel};
use std::time::Duration;

use cordial::Runtime;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{self, Event, KeyEventKind};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::DefaultTerminal;
use ratatui::backend::Backend;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::address::Address;
use super::client::get_bytes;
use super::draw::{draw, list_height};
use super::fetch::{ActionOutcome, BranchNode, ConfirmedAction, Rows, ScreenUpdate, Screenful, carry_out, fetch};
use super::state::{KeyEffect, RowKey, TopState, Wanted};
use super::words::escaped;
use crate::args::TopOptions;
use crate::blocking_io::{print_message, print_text};
use crate::exit_reason::ExitReason;
use crate::system::{ResumeSignals, StopSignal, StopSignals, is_in_background, suspend_this_job, wait_for_key};
use crate::text::{build_error, io_error};

/// How long to wait for a key before the screen is drawn again.
const TICK: Duration = Duration::from_millis(100);

/// How long the main thread may take to end the program after a signal: it draws, which takes milliseconds. Also how long
/// `end_program` may take to restore the terminal.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the command, and returns the exit status of the program.
pub(crate) fn run(options: TopOptions) -> ExitCode {
    match show(options) {
        Ok(reason) => reason.into(),
        Err(message) => {
            print_message(message);
            ExitReason::Error.into()
        }
    }
}

/// Shows the processes until the person ends the program, or a signal does. With `--once`, prints them once. Returns why the program
/// exits.
fn show(options: TopOptions) -> Result<ExitReason, String> {
    let token = options.token.or_else(|| std::env::var("CORDIAL_OBSERVER_TOKEN").ok());
    let address = Address::parse(&options.address, token)?;
    let runtime = Runtime::builder().workers(1).build().map_err(|error| build_error::describe(&error))?;
    if options.once {
        let dump = runtime.block_on(async move { get_bytes(&address, "/dump").await });
        let text = dump.map_err(|exit| exit.to_string())??;
        return Ok(print_text(escaped(&text).as_bytes()));
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err("cordial top needs a terminal; with --once it prints one text instead".to_owned());
    }
    if is_in_background() {
        return Err(
            "cordial top runs in the background, where the terminal would stop it: start it without &; below timeout, \
                    write timeout --foreground"
                .to_owned(),
        );
    }
    let (wants, wanted) = watch::channel(TopState::new().wanted);
    let (confirmed, to_carry_out) = unbounded_channel();
    let (sender, updates) = sync_channel(2);
    let ((answer_sender, answers), (stop_sender, stops)) = (channel(), channel());
    let (resume_sender, resumes) = channel();
    let started = runtime.block_on(async move {
        let mut signals = StopSignals::listen()?;
        let mut resumed = ResumeSignals::listen()?;
        cordial::Task::start(async move {
            loop {
                resumed.next().await;
                if resume_sender.send(()).is_err() {
                    break;
                }
            }
        });
        cordial::Task::start(async move {
            let signal = signals.next().await;
            // The main thread may have ended.
            let _ = stop_sender.send(signal);
            tokio::time::sleep(GRACE).await;
            end_program(signal).await;
        });
        cordial::Task::start(watch_terminal());
        cordial::Task::start(carry_out(address.clone(), to_carry_out, answer_sender));
        cordial::Task::start(fetch(address, wanted, sender));
        Ok(())
    });
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            "cannot use the terminal: it takes no more text; press Ctrl-Q there if Ctrl-S has stopped it".to_owned()
        }
        _ => format!("cannot use the terminal: {}", io_error::describe(&error)),
    };
    started.map_err(|exit| exit.to_string())?.map_err(refused)?;
    let mut terminal = ratatui::try_init().map_err(|error| {
        // The raw mode may be on already. Disabled first, before a write that fails again.
        let _ = ratatui::try_restore();
        refused(error)
    })?;
    let ended = serve(&mut terminal, &Ends { wants, updates, confirmed, answers, stops, resumes });
    if let Err(hangup) = wait_for_key(Duration::ZERO) {
        // The destructor of `terminal` would print that the cursor cannot be shown, and panic if standard error is the same terminal.
        std::mem::forget(terminal);
        return Ok(ExitReason::Interrupted(hangup));
    }
    // The terminal is restored even after an error.
    let restored = ratatui::try_restore();
    let signal = restored.and(ended).map_err(refused)?;
    Ok(signal.map_or(ExitReason::Finished { failed: 0 }, ExitReason::Interrupted))
}

/// Ends the program if the terminal is gone and the main thread does not end. The main thread looks before it reads a key, but if the terminal
/// goes away between the two, `crossterm` reads its end in a loop.
async fn watch_terminal() {
    loop {
        tokio::time::sleep(GRACE).await;
        if let Err(hangup) = wait_for_key(Duration::ZERO) {
            tokio::time::sleep(GRACE).await;
            end_program(hangup).await;
        }
    }
}

/// Ends the program after a signal if the main thread does not. The main thread may be blocked in `crossterm`, which waits without limit
/// for the rest of a key, or in a write to a terminal that accepts no data.
async fn end_program(signal: StopSignal) {
    let restored = cordial::Task::spawn(async {
        // `try_restore` comes first, because it disables the raw mode before it writes. A write may block.
        let _ = ratatui::try_restore();
        let _ = execute!(io::stdout(), Show);
    });
    // The writes may wait for the main thread, which holds the lock of standard output in a write of its own.
    let _ = tokio::time::timeout(GRACE, restored).await;
    std::process::exit(ExitReason::Interrupted(signal).status().into());
}

/// The ends of the channels to the tasks.
struct Ends {
    wants: watch::Sender<Wanted>,
    updates: Receiver<ScreenUpdate>,
    confirmed: UnboundedSender<ConfirmedAction>,
    answers: Receiver<ActionOutcome>,
    stops: Receiver<StopSignal>,
    /// Receives that the program was suspended and runs again.
    resumes: Receiver<()>,
}

/// Draws and handles keys until the person ends the program, or a signal does.
fn serve(terminal: &mut DefaultTerminal, ends: &Ends) -> io::Result<Option<StopSignal>> {
    let Ends { wants, updates, confirmed, answers, stops, resumes } = ends;
    let mut state = TopState::new();
    let mut screenful: Option<Box<Screenful>> = None;
    let mut error: Option<String> = None;
    loop {
        if let Ok(signal) = stops.try_recv() {
            return Ok(Some(signal));
        }
        if resumes.try_iter().count() > 0 {
            enter(terminal)?;
        }
        answers.try_iter().for_each(|answer| state.answered(&answer.pid, answer.kind, answer.result));
        loop {
            match updates.try_recv() {
                Ok(Ok(update)) => {
                    error = None;
                    state.rights = update.overview.rights;
                    if state.note_start(&update.overview.program.start_id) {
                        screenful = None;
                    }
                    if state.takes(&update.wanted, screenful.as_ref().map(|shown| &shown.wanted)) {
                        if take_rows(&mut state, &update) {
                            screenful = Some(update);
                        } else if let Some(shown) = &mut screenful {
                            shown.overview = update.overview;
                        }
                    }
                }
                Ok(Err(sentence)) => error = Some(sentence),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let area = terminal.size()?;
        state.set_height(list_height(area.height));
        let mut scrolled = 0;
        terminal.draw(|frame| scrolled = draw(frame, &state, screenful.as_deref(), error.as_deref()))?;
        state.scrolled = scrolled;
        // `crossterm` must not wait: if the terminal is gone, it reads the end of the file in a loop and does not return.
        let mut wait = match wait_for_key(TICK) {
            Ok(left) => left,
            Err(hangup) => return Ok(Some(hangup)),
        };
        while event::poll(wait)? {
            wait = Duration::ZERO;
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
            {
                match state.key(key) {
                    KeyEffect::Nothing => {}
                    KeyEffect::Redraw => redraw(terminal)?,
                    KeyEffect::Suspend => {
                        ratatui::try_restore()?;
                        execute!(io::stdout(), Show)?;
                        suspend_this_job();
                        // The screen is set up again in any case. If no shell could continue this program, the system has not suspended it.
                        enter(terminal)?;
                    }
                    KeyEffect::Quit => return Ok(None),
                    KeyEffect::Do(kind, pid) => {
                        let csrf = screenful.as_ref().map(|screenful| screenful.overview.csrf.clone());
                        // Cannot fail: the task that carries out actions ends only when this thread drops the sender.
                        let _ = confirmed.send(ConfirmedAction { kind, pid, csrf: csrf.unwrap_or_default() });
                    }
                }
            }
        }
        wants.send_if_modified(|wanted| {
            let is_changed = *wanted != state.wanted;
            wanted.clone_from(&state.wanted);
            is_changed
        });
    }
}

/// Takes the terminal again after the program was suspended. Another program has used it meanwhile.
fn enter(terminal: &mut DefaultTerminal) -> io::Result<()> {
    // After SIGTSTP, the shell has disabled the raw mode, but `crossterm` still has it recorded as enabled.
    disable_raw_mode()?;
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)?;
    redraw(terminal)
}

/// Clears the terminal and forgets what it shows. `Terminal::clear` would ask the terminal where its cursor is, and not every
/// terminal answers.
fn redraw(terminal: &mut DefaultTerminal) -> io::Result<()> {
    terminal.backend_mut().clear()?;
    // Resets the buffer of what is shown.
    terminal.swap_buffers();
    Ok(())
}

/// Passes the fetched rows to the state. Returns false if these are the rows of another part of the list: the rows of the part that is
/// wanted are still being fetched. Such rows must not be shown either, because keys act on the rows that the state has.
fn take_rows(state: &mut TopState, screenful: &Screenful) -> bool {
    match &screenful.list {
        Rows::Tasks(tasks) if tasks.offset != state.wanted.first => return false,
        Rows::Streams(streams) if streams.offset != state.wanted.first => return false,
        Rows::Tasks(tasks) => {
            let keys = tasks.rows.iter().map(|task| RowKey::Process(task.pid.clone()));
            state.set_rows(keys.collect(), tasks.matched);
        }
        Rows::Streams(streams) => {
            let key = |pid: &Option<String>| pid.clone().map_or(RowKey::None, RowKey::Process);
            state.set_rows(streams.rows.iter().map(|stream| key(&stream.pid)).collect(), streams.matched);
        }
        Rows::Tree(rows) => {
            let roots = rows.iter().filter(|row| row.depth == 0).filter_map(|row| match &row.node {
                BranchNode::Process(node) => Some(node.task.as_ref()?.pid.clone()),
                BranchNode::More(_) => None,
            });
            state.set_roots(&roots.collect::<Vec<String>>());
            let keys = rows.iter().skip(state.wanted.first).map(|row| match &row.node {
                BranchNode::Process(node) => {
                    node.task.as_ref().map_or(RowKey::None, |task| RowKey::Process(task.pid.clone()))
                }
                BranchNode::More(_) => RowKey::None,
            });
            state.set_rows(keys.collect(), rows.len());
        }
        Rows::Crashes(crashes) => {
            let keys = crashes.groups.iter().skip(state.wanted.first).map(|group| RowKey::Crash(group.n));
            state.set_rows(keys.collect(), crashes.groups.len());
        }
        Rows::None => state.forget_rows(),
    }
    true
}
