//! A program with an observer, and a client that sends bytes.

mod client;
mod program;

pub(crate) use client::Client;
pub(crate) use program::{Program, wait_until};
