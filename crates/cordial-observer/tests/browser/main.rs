//! The page in a real browser: Chromium, driven through chromedriver.
//!
//! - `pool`: the browsers, which several tests use one after another.
//! - `page`: reads and types on a page.
//! - `guard`: ends what the tests have started, even when they are killed.
//! - `program`: the program that is observed, in an OS process of its own.
//! - the others: what a person sees and does. Without Chromium and chromedriver they are skipped, with a line that says so.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod actions;
mod connection;
mod crashes;
mod detail;
mod guard;
mod history;
mod hostile;
mod keyboard;
mod long_polls;
mod page;
mod pictures;
mod pool;
mod program;
mod sizes;
mod tasks;
mod tree;
