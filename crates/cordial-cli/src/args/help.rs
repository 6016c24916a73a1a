//! The help text below the options. Each paragraph is one line here; clap wraps it to the width of the terminal.

pub(super) const AFTER_OPTIONS: &str = "\
In every word of COMMAND: {} the item, {.} without extension, {/} the name after the last slash, {//} the directory, {/.} that name \
without extension, {#} the number of the item, {%} the number of its slot; {1}, {2}, {1/.} are values of an item that has several. If COMMAND \
has none of these (nor \"$1\" or \"$@\" in a line), the item is appended. Other braces stay as they are. One quoted line is run by sh, as with --shell, and {} is quoted; several words run without a shell. Commands have a standard input only with --pipe, --pipe-part and --tty. \
Their environment has CORDIAL_INDEX, CORDIAL_SLOT and CORDIAL_ATTEMPT.

Examples:
  find . -name '*.rs' -print0 | cordial map -0 wc -l
  cordial map -c 4 --timeout 30s gzip -k {} ::: *.log
  cordial map --shell 'tr a-z A-Z < {} > {.}.upper' ::: *.txt
  seq 100 | cordial map --retries 3 --joblog log --resume curl -sf localhost/{}
  cordial map --tag --line-buffer ping -c 3 ::: localhost 127.0.0.1

An item ends when its process exits. Its children are then killed, except for those that left its process group (setsid). \
Ctrl-C, SIGTERM or SIGHUP: no further command starts, and running commands get SIGTERM and the time of --grace to exit; a second signal \
kills them.

Exit status: 0 all succeeded, or --halt ..,success=N applied; 1 to 100 that many items failed; 101 more than 100 failed; with \
--fail-fast or --halt ..,fail=1 the status of the failed item; 129, 130, 143 after SIGHUP, SIGINT, SIGTERM; \
141 standard output was closed, as by head; 255 wrong usage or an internal error.

cordial map --help all also lists the rare options. docs/map.md lists the options of xargs and GNU parallel.";
