//! A program with an observer, and a client that sends bytes.

mod client;
mod program;

pub(crate) use client::{Client, read_response};
pub(crate) use program::{Program, wait_until};
