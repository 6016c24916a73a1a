//! A program with an observer, and a client that sends bytes.

mod client;
mod program;

pub(crate) use client::{Client, LIMIT, read_response};
pub(crate) use program::{Program, try_often, wait_for, wait_until};
