//! Options that people know from `xargs` and GNU parallel and that are not here: what to do instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};

const PAGE: &str = "docs/map.md";

/// The options, as they are written, and the way out; where there is none, the text is empty.
const OPTIONS: [(&[&str], &str); 27] = [
    (&["-t", "--verbose", "-v"], "--dry-run prints the commands before, and --joblog FILE while they run"),
    (&["-L", "-l", "--max-lines"], "every line is an item here: -n N gives N of them to each command"),
    (&["-x", "--exit", "-s", "--max-chars"], "what fits is for you to say here: -n N gives N items to each command"),
    (&["-X", "-m", "--xargs"], "-n N gives N items to each command, and a word with {} is repeated for each"),
    (&["-i"], "{} stands for the item without an option, and -I TEXT names another text"),
    (&["-E", "-e", "--eof"], "cut the input before: sed '/^END$/,$d' | cordial map ..."),
    (&["-p", "--interactive"], "--dry-run prints the commands, to be read before they are run"),
    (&["-o", "--open-tty", "--tty"], ""),
    (
        &["-C", "--colsep"],
        "items are whole here: with --shell, set -- $1 splits one at blanks, and IFS says at what else",
    ),
    (
        &["-S", "--sshlogin", "--slf", "--sshloginfile", "--onall", "--nonall"],
        "to run one command on many machines: cordial map ssh {} COMMAND ::: HOST...",
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
        "commands read nothing on standard input here: split -l N cuts a file, and cordial map runs a command for each part",
    ),
    (&["--link", "--xapply"], "paste FILE FILE gives lines that belong together"),
    (&["--plus", "--rpl"], "with --shell the shell can compute: 'f={}; echo ${f%.*}'"),
    (&["--tagstring", "--tag-string", "--ctag", "--ctagstring"], "--tag begins each line with its item"),
    (&["--group"], "it is the default"),
    (
        &["--files", "--compress", "--tmpdir"],
        "--results DIR keeps each output in a file of its own, and TMPDIR says where large outputs wait",
    ),
    (&["--termseq"], "SIGTERM comes first, and after --grace SIGKILL"),
    (&["--shuf"], "shuf shuffles: shuf FILE | cordial map ..."),
    (&["--header"], "tail -n +2 leaves out the first line"),
    (&["--quote", "-q"], "words reach the command as they are here, without a shell"),
    (&["--wait", "--semaphore", "--sem", "--id", "--fg", "--bg"], ""),
    (&["--will-cite", "--citation", "--no-notice"], "nothing asks for it here: leave it out"),
    (&["--process-slot-var"], "commands find their slot in CORDIAL_SLOT, and {%} stands for it"),
    (&["--show-limits", "--limit"], "--load and --memfree hold up starts while the machine is busy"),
    (&["--sql", "--sqlmaster", "--sqlworker", "--sqlandworker", "--embed", "--profile", "-J"], ""),
    (&["--trim", "--arg-sep", "--arg-file-sep"], "items are taken as they are: change them before, with sed"),
];

/// A sentence about an option that another program has.
pub(super) fn sentence(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return None };
    // With its value, or with other letters behind it.
    let name = match given.strip_prefix("--") {
        Some(_) => given.split('=').next().unwrap_or(given),
        None => given.get(..2).unwrap_or(given),
    };
    let (_, way) = OPTIONS.iter().find(|(names, _)| names.contains(&name))?;
    Some(if way.is_empty() {
        format!("{name} is absent here; {PAGE} says what there is")
    } else {
        format!("{name} is absent here: {way}; {PAGE} has the rest")
    })
}
