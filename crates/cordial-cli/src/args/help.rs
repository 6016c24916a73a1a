//! What stands below the options. Each paragraph is one line, broken where the terminal ends.

pub(super) const AFTER: &str = "\
In every word of COMMAND: {} the item, {.} without extension, {/} its last part, {//} its directory, {/.} its last part without \
extension, {#} its number, {%} its slot. Without any of them, the item comes last. Other braces stay. There is no shell without --shell; \
with it, {} is quoted for you. Commands read nothing on standard input and find CORDIAL_INDEX, CORDIAL_SLOT and CORDIAL_ATTEMPT in \
their environment.

Examples:
  find . -name '*.rs' -print0 | cordial map -0 wc -l
  cordial map -c 4 --timeout 30s gzip -k {} ::: *.log
  cordial map --shell 'tr a-z A-Z < {} > {.}.upper' ::: *.txt
  seq 100 | cordial map --retries 3 --joblog log --resume curl -sf localhost/{}
  cordial map --tag --line-buffer ping -c 3 ::: localhost 127.0.0.1

An item ends with its process: what is left in its process group is killed. What has left the group (setsid) is out of reach. Ctrl-C, \
SIGTERM or SIGHUP: nothing new starts, what runs gets SIGTERM and the grace; a second one kills.

Exit status: 0 all succeeded; 1 to 100 that many items failed; 101 more; with --fail-fast that of the item; 129, 130, 143 after SIGHUP, \
SIGINT, SIGTERM; 141 standard output was closed, as by head; 255 bad usage or an error of cordial itself.";
