//! The API as a program: every name in the way that a user writes it. It has to compile; it is not a test of behavior.

// Lines of these files are longer than rustfmt allows.
#[rustfmt::skip]
mod contract;
#[rustfmt::skip]
mod server_contract;
#[rustfmt::skip]
mod service_contract;
