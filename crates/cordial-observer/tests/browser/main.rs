//! The page in a real browser: Chromium, driven through chromedriver.
//!
//! - `pool`: the browsers, which several tests use one after another.
//! - `page`: reads and types on a page.
//! - `guard`: ends what the tests have started, even when they are killed.
//! - `program`: the program that is observed, in an OS process of its own. `load` is its load for pictures.
//! - the others: what a person sees and does. Without Chromium and chromedriver, they print that they are skipped.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod actions;
mod connection;
mod crashes;
mod detail;
mod guard;
mod history;
mod hostile;
mod keyboard;
mod load;
mod long_polls;
mod page;
mod pictures;
mod pool;
mod program;
mod refresh;
mod sizes;
mod tasks;
mod tree;
