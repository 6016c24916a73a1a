//! Shell completions and the manual page, generated from the definitions of the options.

use std::io::{self, Write};
use std::process::ExitCode;

use clap_complete::Shell;
use clap_mangen::Man;

use super::options::definitions;
use crate::exit_reason::ExitReason;
use crate::text::io_error;

/// Prints completions for a shell to standard output.
pub(crate) fn print_completions(shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definitions(), "cordial", &mut text);
    print(&text)
}

/// Prints the manual page of `cordial map` to standard output.
pub(crate) fn print_manual() -> ExitCode {
    let mut definitions = definitions();
    definitions.build();
    let map = definitions.find_subcommand("map").cloned().unwrap_or(definitions);
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = Man::new(map.name("cordial-map").display_name("cordial-map")).render(&mut text);
    print(&text)
}

fn print(text: &[u8]) -> ExitCode {
    match io::stdout().write_all(text).and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitReason::OutputClosed.into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "cordial: cannot write to standard output: {}", io_error::describe(&error));
            ExitReason::Error.into()
        }
    }
}
