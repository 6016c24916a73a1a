//! Boxes and homes for tasks to come.
//!
//! ```text
//!  take ◄── stock of the thread ◄── 32 at a time ── shelf ◄── new homes
//!  give ──► stock of the thread ── 32, when it has 64 ──► shelf
//! ```
//!
//! A box in the stock keeps what was allocated for the future of its last task. On the shelf that is given back when nothing
//! runs any more.
//!
//! Simulations have a shelf of their own, so that no stranger ever wakes a task of theirs: what a seed decides must not
//! depend on what else the program does.

use std::cell::RefCell;
use std::sync::LazyLock;

use crate::home::Home;
use crate::sync::Mutex;
use crate::task::Task;

/// How many change between a stock and the shelf, and how many homes are made at once.
const BATCH: usize = 32;

type Boxes = Vec<Box<Task>>;

static SHELF: LazyLock<Mutex<Boxes>> = LazyLock::new(Mutex::default);
static SHELF_OF_SIMULATIONS: LazyLock<Mutex<Boxes>> = LazyLock::new(Mutex::default);

thread_local!(static STOCK: RefCell<Stock> = const { RefCell::new(Stock(Vec::new())) });

/// What only one thread uses.
struct Stock(Boxes);

impl Drop for Stock {
    fn drop(&mut self) {
        SHELF.lock().append(&mut self.0);
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
        .or_else(|| SHELF.lock().pop())
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
            SHELF.lock().extend(boxes.drain(..BATCH));
        }
    });
    if let Some(task) = task {
        SHELF.lock().push(task);
    }
}

/// Nothing runs any more: gives back what is kept on the shelf for the futures of tasks to come.
pub(crate) fn fall_quiet() {
    let mut next = 0;
    loop {
        let spares: Vec<_> = {
            let mut shelf = SHELF.lock();
            let Some(boxes) = shelf.get_mut(next..) else { return };
            if boxes.is_empty() {
                return;
            }
            boxes.iter_mut().take(BATCH).filter_map(|task| task.take_spare()).collect()
        };
        drop(spares);
        next += BATCH;
    }
}

fn take_batch() -> Boxes {
    let from_shelf = {
        let mut shelf = SHELF.lock();
        let rest = shelf.len().saturating_sub(BATCH);
        shelf.split_off(rest)
    };
    if !from_shelf.is_empty() {
        return from_shelf;
    }
    let homes: Box<[Home]> = std::iter::repeat_with(Home::new).take(BATCH).collect();
    Box::leak(homes).iter().map(new_task).collect()
}

fn new_task(home: &'static Home) -> Box<Task> {
    Task::empty(home, home.waker())
}
