//! Context that crosses spawns: inherited values and deadlines.
#![allow(clippy::unwrap_used, reason = "tests")]

mod inherited;
mod within;
