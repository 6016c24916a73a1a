//! Text for people, for shells, and about errors.

pub(crate) mod display;
pub(crate) mod shell_quote;
