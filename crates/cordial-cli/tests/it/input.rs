//! What an item is, and how it gets into the command.

use crate::program::{Case, check, run};

#[test]
fn lines_become_items_verbatim() {
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
fn the_item_goes_where_the_placeholder_is() {
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

/// Standard error of a run with one failure. The complaint stands there a second time if other output has followed it.
fn told(complaint: &str, summary: &str, is_followed: bool) -> String {
    let again = if is_followed { format!(":\n  {complaint}") } else { String::new() };
    format!("cordial: {complaint}\ncordial: {summary}{again}\n")
}

#[test]
fn the_longest_line_that_fits_is_an_item() {
    let mut line = vec![b'x'; 131_071];
    line.push(b'\n');
    let ran = run(&["map", "--", "printf", "%s\n"], &line);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout == line);
}

#[test]
fn a_line_that_does_not_fit_fails_alone() {
    let x80 = "x".repeat(80);
    for length in [131_072, 10 * 1024 * 1024] {
        for end in ["", "\n", "\nafter\n"] {
            let input = format!("before\n{}{end}", "x".repeat(length));
            check(&[Case {
                args: &["map", "--", "echo"],
                input: input.as_bytes(),
                status: 1,
                stdout: if end.len() > 1 { b"before\nafter\n" } else { b"before\n" },
                stderr: &told(
                    &format!(
                        "item 2 \"{x80}…\" failed: it is {length} bytes long, and the system takes at most 131071 bytes as one argument"
                    ),
                    if end.len() > 1 { "1 of 3 items failed" } else { "1 of 2 items failed" },
                    end.len() > 1,
                ),
            }]);
        }
    }
}

#[test]
fn a_line_that_does_not_fit_with_its_surroundings_fails_alone() {
    let x80 = "x".repeat(80);
    check(&[Case {
        args: &["map", "--", "echo", "<{}>"],
        input: format!("{}\na\n", "x".repeat(131_071)).as_bytes(),
        status: 1,
        stdout: b"<a>\n",
        stderr: &told(
            &format!(
                "item 1 \"{x80}…\" failed: with the text around it, it makes an argument of 131073 bytes, and the system takes at most 131071"
            ),
            "1 of 2 items failed",
            true,
        ),
    }]);
}

#[test]
fn a_nul_byte_fails_alone() {
    check(&[Case {
        args: &["map", "--", "echo"],
        input: b"a\nb\0c\nd\n",
        status: 1,
        stdout: b"a\nd\n",
        stderr: &told(
            "item 2 \"b\\0c\" failed: it has a NUL byte, as byte 2, and no argument of a command can hold one",
            "1 of 3 items failed",
            true,
        ),
    }]);
}

#[test]
fn the_command_has_no_standard_input() {
    // More than is read at once: a command that shared our input would find the rest of it.
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
