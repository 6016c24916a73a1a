//! Boxes and homes for tasks to come.
//!
//! ```text
//!  take ◄── stock of the thread ◄── 32 at a time ── shelf ◄── new homes
//!  give ──► stock of the thread ── 32, when it has 64 ──► shelf
//! ```
//!
//! A box keeps what was allocated for the future of its last task. When nothing runs any more, that is given back of those
//! that nobody has needed for long (`stock/shelf.rs`).
//!
//! Simulations have a shelf of their own, so that no stranger ever wakes a task of theirs: what a seed decides must not
//! depend on what else the program does.

use std::cell::RefCell;
use std::sync::LazyLock;

use self::shelf::Shelf;
use crate::home::Home;
use crate::sync::Mutex;
use crate::task::Task;

mod shelf;

/// How many change between a stock and the shelf, and how many homes are made at once.
const BATCH: usize = 32;

type Boxes = Vec<Box<Task>>;

static SHELF: LazyLock<Mutex<Shelf<Box<Task>>>> = LazyLock::new(|| Mutex::new(Shelf::new()));
static SHELF_OF_SIMULATIONS: LazyLock<Mutex<Boxes>> = LazyLock::new(Mutex::default);

thread_local!(static STOCK: RefCell<Stock> = const { RefCell::new(Stock(Vec::new())) });

/// What only one thread uses.
struct Stock(Boxes);

impl Drop for Stock {
    fn drop(&mut self) {
        SHELF.lock().put(self.0.drain(..));
    }
}

pub(crate) fn take(is_simulated: bool) -> Box<Task> {
    if is_simulated {
        let on_shelf = SHELF_OF_SIMULATIONS.lock().pop();
        let mut task = on_shelf.unwrap_or_else(|| new_task(Box::leak(Box::new(Home::new()))));
        task.set_waker(task.home().exact_waker());
        return task;
    }
    let from_stock = STOCK.try_with(|stock| {
        let Stock(boxes) = &mut *stock.borrow_mut();
        if boxes.is_empty() {
            *boxes = take_batch();
        }
        boxes.pop()
    });
    // Where the thread ends, its stock is gone before its last tasks are.
    from_stock
        .ok()
        .flatten()
        .or_else(|| SHELF.lock().take(1).pop())
        .unwrap_or_else(|| new_task(Box::leak(Box::new(Home::new()))))
}

pub(crate) fn give(task: Box<Task>, is_simulated: bool) {
    if is_simulated {
        task.home().turn_over();
        return SHELF_OF_SIMULATIONS.lock().push(task);
    }
    let mut task = Some(task);
    let _ = STOCK.try_with(|stock| {
        let Stock(boxes) = &mut *stock.borrow_mut();
        boxes.extend(task.take());
        if boxes.len() >= 2 * BATCH {
            SHELF.lock().put(boxes.drain(..BATCH));
        }
    });
    if let Some(task) = task {
        SHELF.lock().put([task]);
    }
}

/// Nothing runs any more: gives back what is kept for futures and was not needed for long. For as long as it is quiet: what
/// is left over has to wait for the next time.
pub(crate) fn fall_quiet(is_quiet: impl Fn() -> bool) {
    SHELF.lock().fall_quiet();
    while is_quiet() {
        let (n_stripped, spares): (usize, Vec<_>) = {
            let mut shelf = SHELF.lock();
            let idle = shelf.strip(BATCH);
            (idle.len(), idle.iter_mut().filter_map(|task| task.take_spare()).collect())
        };
        drop(spares);
        if n_stripped == 0 {
            return;
        }
    }
}

fn take_batch() -> Boxes {
    let from_shelf = SHELF.lock().take(BATCH);
    if !from_shelf.is_empty() {
        return from_shelf;
    }
    let homes: Box<[Home]> = std::iter::repeat_with(Home::new).take(BATCH).collect();
    Box::leak(homes).iter().map(new_task).collect()
}

fn new_task(home: &'static Home) -> Box<Task> {
    Task::empty(home, home.waker())
}
