//! The screen.
//!
//! ```text
//! shop  live 1024  queue 0  threads 2+1  cpu 12%  34 MiB  up 3m  process 4711
//! busy 43% [▁▅]              spawned 120/s              crashed 1/s
//! ▁▂▅█▂▁▁▂▃▂▁▂▃▄▅▄▃▂▁        ▂▃▂▁▁▂▃▂▁▂▃▄▅▄▃▂▁▂▃        ▁ █      ▁ ▁
//! ! importer <1.2.3> has been in one poll for 12.0 s.
//! (a second warning)
//!  1 Tasks   2 Tree   3 Streams   4 Crashes   sort: busy share ↓
//! PID          STATE          BUSY  AGE    POLLS/s MAIL   LABEL OR PLACE (1024 of 1024)
//! (the rows of the list)
//! q quit  ? help  1-4 view  ↑↓ select  Enter show  x end  / filter  s r sort
//! ```

mod crashes;
mod detail;
mod help;
mod overview;
mod question;
mod screen;
mod scrolled;
mod streams;
mod styles;
mod tasks;
mod tree;
mod width;

pub(super) use screen::{draw, list_height};

#[cfg(test)]
mod tests;
