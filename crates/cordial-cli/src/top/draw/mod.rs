//! The screen.
//!
//! ```text
//!  shop (4711)  up 3.0m   live 1024   threads 2+1   12% cpu   34 MiB
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

pub(super) use screen::{draw, list_height};
