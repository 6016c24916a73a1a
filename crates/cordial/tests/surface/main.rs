//! The API as a program: every name in the way that a user writes it. It has to compile; it is not a test of behavior.

// Its lines are as long as those of the contract that it is.
#[rustfmt::skip]
mod contract;
