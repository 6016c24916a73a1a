//! The screen.
//!
//! ```text
//!  shop  live 1024  queue 0  threads 2+1  cpu 12%  34 MiB  up 3.0m  process 4711
//!  busy 43% ▁▂▅█      spawned 120/s ▂▃▂    crashed 1.0/s  ▁ █
//!  ! a poll of importer does not return: 12.0s, src/main.rs:12:5
//!  1 Tasks  2 Tree  3 Streams  4 Crashes                                 sort: busy ↓
//!  the list
//!  q quit  ? help ...
//! ```

mod crashes;
mod detail;
mod help;
mod overview;
mod question;
mod screen;
mod streams;
mod styles;
mod tasks;
mod tree;
mod width;

pub(super) use screen::{draw, list_height};

#[cfg(test)]
mod tests;
