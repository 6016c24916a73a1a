//! Text shown to people, text read back by shells, names of files that travel, and the texts of system errors.

pub(crate) mod build_error;
pub(crate) mod display;
pub(crate) mod file_name;
pub(crate) mod io_error;
pub(crate) mod shell_quote;
