//! Shell completions and the manual page, generated from the definitions of the options.

use std::process::ExitCode;

use clap_complete::Shell;
use clap_mangen::Man;

use super::options::{definitions, map_definitions, with_rare_options};
use crate::blocking_io::print_text;

/// Prints completions for a shell to standard output.
pub(crate) fn print_completions(shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definitions(), "cordial", &mut text);
    print_text(&text).into()
}

/// Prints the manual page of `cordial map` to standard output.
pub(crate) fn print_manual() -> ExitCode {
    let map = with_rare_options(map_definitions());
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = Man::new(map.name("cordial-map").display_name("cordial-map")).render(&mut text);
    print_text(&text).into()
}
