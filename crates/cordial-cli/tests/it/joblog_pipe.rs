//! A named pipe as the joblog.

use crate::harness::{TestDir, shell};

#[test]
fn a_pipe_for_the_joblog_that_its_reader_has_closed_ends_the_run() {
    let dir = TestDir::new();
    let path = dir.path("log");
    let path = path.to_str().unwrap();
    // The first item ends when the reader has closed the pipe.
    let script = r#"mkfifo "$1"; { head -n 1 < "$1" > /dev/null; : > "$1.closed"; } &
                    "$0" map -c1 --joblog "$1" 'until [ -e $1.closed ]; do sleep 0.01; done; echo' ::: 1 2 3 4 5 6 7 8 9"#;
    let result = shell(&script.replace("$1", path));
    assert_eq!(result.status, 255);
    let expected = format!(
        "cordial: cannot write the joblog {path}: Broken pipe; it has no lines of the items that ended later\n"
    );
    assert!(result.stderr.ends_with(&expected), "{}", result.stderr);
}

#[test]
fn a_pipe_for_the_joblog_without_a_reader_is_refused() {
    let dir = TestDir::new();
    let path = dir.path("log");
    let result = shell(&format!("mkfifo {0}; \"$0\" map --joblog {0} echo ::: a", path.display()));
    let expected = format!(
        "cordial: the joblog {} is a named pipe, and no program reads it: start its reader first, or name a file\n",
        path.display()
    );
    assert_eq!((result.status, result.text(), &*result.stderr), (255, "", &*expected));
}

#[test]
fn a_pipe_for_the_joblog_cannot_be_resumed_even_in_a_dry_run() {
    let dir = TestDir::new();
    let path = dir.path("log");
    let result =
        shell(&format!("mkfifo {0}; timeout 60 \"$0\" map --dry-run --resume --joblog {0} echo ::: a", path.display()));
    let message =
        format!("cordial: the joblog {} is not a regular file, so there is nothing to resume\n", path.display());
    assert_eq!((result.status, result.text(), &*result.stderr), (255, "", &*message));
}
