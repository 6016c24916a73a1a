//! Options of `xargs` and GNU parallel that are not supported, and what to use instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The page that compares the options of `cordial map` with those of `xargs` and GNU parallel.
const COMPARISON_PAGE: &str = "docs/map.md";

/// The spellings of an option, and what to use instead; the text is empty if there is no replacement.
const OPTIONS: [(&[&str], &str); 20] = [
    (&["-t", "--verbose", "-v"], "--dry-run prints the commands without running them, and --joblog FILE records them"),
    (&["-l"], "-L N passes N lines to each command, and -n N passes N items"),
    (&["-i", "--replace"], "{} stands for the item without an option, and -I TEXT chooses another placeholder"),
    (&["-e", "--eof"], "-E TEXT ends the list at the item TEXT"),
    (&["-p", "--interactive"], "--dry-run prints the commands, so that you can read them before you run them"),
    (
        &["-S", "--sshlogin", "--slf", "--sshloginfile", "--onall", "--nonall"],
        "to run one command on many machines, use cordial map ssh {} COMMAND ::: HOST...",
    ),
    (&["--transfer", "--transferfile", "--trc", "--return", "--cleanup", "--basefile", "--bf", "--env"], ""),
    (
        &[
            "--pipe",
            "--pipepart",
            "--pipe-part",
            "--block",
            "--recstart",
            "--recend",
            "--spreadstdin",
            "--round-robin",
            "--cat",
            "--fifo",
        ],
        "commands have no standard input: cut the file with split -l N, and run a command for each part",
    ),
    (&["--rpl", "--parens", "-U"], "with --shell, use the expansions of the shell: 'f={}; echo ${f%.*}'"),
    (&["--tagstring", "--tag-string", "--ctag", "--ctagstring"], "--tag begins each line with its item"),
    (&["--group"], "outputs are grouped by default: leave the option out"),
    (
        &["--files", "--compress", "--tmpdir"],
        "--results DIR keeps each output in its own file, and TMPDIR names the directory for large outputs",
    ),
    (&["--termseq"], "commands get SIGTERM, and SIGKILL after --grace"),
    (&["--shuf"], "shuffle the input first: shuf FILE | cordial map ..."),
    (&["--quote", "-q"], "words are passed to the command unchanged: leave the option out"),
    (&["--wait", "--semaphore", "--sem", "--id", "--fg", "--bg"], ""),
    (&["--will-cite", "--citation", "--no-notice"], "there is no citation notice: leave the option out"),
    (&["--process-slot-var"], "commands find their slot in CORDIAL_SLOT, and {%} stands for it"),
    (&["--show-limits", "--limit"], "--load and --memfree delay starts while the machine is busy"),
    (&["--sql", "--sqlmaster", "--sqlworker", "--sqlandworker", "--embed", "--profile", "-J"], ""),
];

/// Returns the message for an unsupported option of `xargs` or GNU parallel, and `None` for any other error.
pub(super) fn message(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return None };
    // A long option may include its value, and a short one may be followed by other letters.
    let name = match given.strip_prefix("--") {
        Some(_) => given.split('=').next().unwrap_or(given),
        None => given.get(..2).unwrap_or(given),
    };
    let (_, instead) = OPTIONS.iter().find(|(names, _)| names.contains(&name))?;
    Some(if instead.is_empty() {
        format!("{name} is not supported; see {COMPARISON_PAGE}")
    } else {
        format!("{name} is not supported: {instead}; see {COMPARISON_PAGE}")
    })
}
