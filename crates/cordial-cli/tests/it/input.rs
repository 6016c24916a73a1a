//! How input is split into items, and how items are inserted into commands.

use crate::harness::{Case, check, run};

#[test]
fn lines_are_items_unchanged() {
    let print = &["map", "--", "printf", "<%s>"][..];
    let cases: Vec<Case<'_>> = [
        (&b""[..], &b""[..]),
        (b"\n", b"<>"),
        (b"a\nb\n", b"<a><b>"),
        (b"a\nb", b"<a><b>"),
        (b"a\n\nb\n\n", b"<a><><b><>"),
        (b"a\r\nb\r", b"<a\r><b\r>"),
        (b" a  b \n-n\n--\n", b"< a  b ><-n><-->"),
        (b"$HOME `id` * 'x' \"y\" \\n\n", b"<$HOME `id` * 'x' \"y\" \\n>"),
        (b"\xff\xfe\n\xc3\xa9\n", b"<\xff\xfe><\xc3\xa9>"),
    ]
    .map(|(input, stdout)| Case { args: print, input, status: 0, stdout, stderr: "" })
    .into();
    check(&cases);
}

#[test]
fn the_item_replaces_the_placeholder() {
    check(&[
        Case { args: &["map", "--", "echo", "x"], input: b"a b\n", status: 0, stdout: b"x a b\n", stderr: "" },
        Case { args: &["map", "--", "echo", "{}", "x"], input: b"a b\n", status: 0, stdout: b"a b x\n", stderr: "" },
        Case {
            args: &["map", "--", "echo", "<{}{}>"],
            input: b"a\n\xff\n",
            status: 0,
            stdout: b"<aa>\n<\xff\xff>\n",
            stderr: "",
        },
        Case { args: &["map", "--", "{}", "x"], input: b"echo\n", status: 0, stdout: b"x\n", stderr: "" },
        Case { args: &["map", "--", "echo", "{}"], input: b"{}\n", status: 0, stdout: b"{}\n", stderr: "" },
        Case { args: &["map", "-c2", "echo", "-c", "-x"], input: b"a\n", status: 0, stdout: b"-c -x a\n", stderr: "" },
    ]);
}

/// Returns the messages for one failed item.
fn stderr_of_one_failure(message: &str, summary: &str) -> String {
    format!("cordial: {message}\ncordial: {summary}\n")
}

#[test]
fn the_longest_line_that_fits_is_accepted() {
    let mut line = vec![b'x'; 131_071];
    line.push(b'\n');
    let result = run(&["map", "--", "printf", "%s\n"], &line);
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    assert!(result.stdout == line);
}

#[test]
fn a_line_that_is_too_long_fails_only_its_item() {
    let x80 = "x".repeat(80);
    for length in [131_072, 10 * 1024 * 1024] {
        for end in ["", "\n", "\nafter\n"] {
            let input = format!("before\n{}{end}", "x".repeat(length));
            check(&[Case {
                args: &["map", "--", "echo"],
                input: input.as_bytes(),
                status: 1,
                stdout: if end.len() > 1 { b"before\nafter\n" } else { b"before\n" },
                stderr: &stderr_of_one_failure(
                    &format!(
                        "item 2 \"{x80}…\" failed: the item has {length} bytes; the limit for one argument is 131071 bytes"
                    ),
                    if end.len() > 1 { "1 of 3 items failed" } else { "1 of 2 items failed" },
                ),
            }]);
        }
    }
}

#[test]
fn a_line_that_is_too_long_with_its_argument_fails_only_its_item() {
    let x80 = "x".repeat(80);
    check(&[Case {
        args: &["map", "--", "echo", "<{}>"],
        input: format!("{}\na\n", "x".repeat(131_071)).as_bytes(),
        status: 1,
        stdout: b"<a>\n",
        stderr: &stderr_of_one_failure(
            &format!(
                "item 1 \"{x80}…\" failed: an argument has 131073 bytes after the item is inserted; the limit for one argument is 131071 bytes"
            ),
            "1 of 2 items failed",
        ),
    }]);
}

#[test]
fn a_nul_byte_fails_only_its_item() {
    check(&[Case {
        args: &["map", "--", "echo"],
        input: b"a\nb\0c\nd\n",
        status: 1,
        stdout: b"a\nd\n",
        stderr: &stderr_of_one_failure(
            "item 2 \"b\\0c\" failed: the item contains a NUL byte (byte 2), which no argument can contain; if NUL separates items, use -0",
            "1 of 3 items failed",
        ),
    }]);
}

#[test]
fn a_dry_run_says_which_items_have_no_command() {
    let x80 = "x".repeat(80);
    check(&[
        Case {
            args: &["map", "--dry-run", "echo"],
            input: format!("a\nb\0c\n{}\nd\n", "x".repeat(131_072)).as_bytes(),
            status: 2,
            stdout: b"echo a\necho d\n",
            stderr: &format!(
                "cordial: item 2 \"b\\0c\" would fail: the item contains a NUL byte (byte 2), which no argument can contain; if \
                 NUL separates items, use -0\ncordial: item 3 \"{x80}…\" would fail: the item has 131072 bytes; the limit for one \
                 argument is 131071 bytes\n"
            ),
        },
        Case {
            args: &["map", "--dry-run", "echo $(({} + 1))"],
            input: b"x\n1\n",
            status: 1,
            stdout: b"echo $((1 + 1))\n",
            stderr: "cordial: item 1 \"x\" would fail: the item is in a calculation, and is not a number; to let the shell evaluate it \
                     anyway, write \"$1\" in the place of the item\n",
        },
    ]);
}

#[test]
fn commands_have_no_standard_input() {
    // The input is larger than one read, so a command that inherited our standard input would read the rest of it.
    let input = format!("{}\n", "x".repeat(9999)).repeat(20);
    let stdout = "9999\n".repeat(20);
    check(&[Case {
        args: &["map", "-c", "1", "--", "sh", "-c", "cat; echo ${#1}", "sh"],
        input: input.as_bytes(),
        status: 0,
        stdout: stdout.as_bytes(),
        stderr: "",
    }]);
}
