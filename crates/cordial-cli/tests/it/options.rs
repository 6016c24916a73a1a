//! Options: for each case the arguments, the input and the expected output.

use crate::harness::{Case, TestDir, check, check_outputs, run, shell};

#[test]
fn items_come_from_standard_input_files_and_arguments() {
    let dir = TestDir::new();
    std::fs::write(dir.path("list"), "x\ny\n").unwrap();
    let list = dir.path("list");
    let list = list.to_str().unwrap();
    check_outputs(&[
        (&["-0", "printf", "<%s>"], b"a\nb\0c\0\0", b"<a\nb><c><>"),
        (&["-d", ",", "printf", "<%s>"], b"a,b\n,c", b"<a><b\n><c>"),
        (&["-d", "\\t", "printf", "<%s>"], b"a\tb", b"<a><b>"),
        (&["-a", list, "echo"], b"not read", b"x\ny\n"),
        (&["echo", ":::", "a b", "", "c"], b"not read", b"a b\n\nc\n"),
        (&["echo", ":::"], b"not read", b""),
        (&["echo", ":::", "a", "b", ":::", "1", "2"], b"", b"a 1\na 2\nb 1\nb 2\n"),
        (&["echo", "{}-x", ":::", "a", ":::", "1", "2"], b"", b"a 1-x\na 2-x\n"),
        (&["-n", "2", "echo"], b"1\n2\n3\n", b"1 2\n3\n"),
        (&["-N2", "echo", "<{}>", "x"], b"1\n2\n3\n", b"<1> <2> x\n<3> x\n"),
        (&["-N", "100", "echo"], b"1\n2\n3", b"1 2 3\n"),
        (&["-r", "echo"], b"", b""),
    ]);
}

#[test]
fn placeholders_are_filled() {
    check_outputs(&[
        (&["echo", "{.} {/} {//} {/.}"], b"a/b.c\n", b"a/b b.c a b\n"),
        (&["-c1", "echo", "{#}", "{%}", "{}"], b"a\nb\n", b"1 1 a\n2 1 b\n"),
        (&["echo", "{#}"], b"a\nb\n", b"1\n2\n"),
        (&["-I", "X", "echo", "X{}", "{.}"], b"a.b\n", b"a.b{} a\n"),
        (&["echo", "{a,b}", "{1..3}", "{ }", "${x}", "{", "}"], b"i\n", b"{a,b} {1..3} { } ${x} { } i\n"),
    ]);
}

#[test]
fn a_shell_does_not_execute_items() {
    let evil = b"$(echo no)`echo no`; echo no; \"'\\ * ~ # & | > no\n";
    let expected = [&evil[..evil.len() - 1], b"\n"].concat();
    check_outputs(&[
        (&["--shell", "printf '%s\\n' {}"], evil, &expected),
        (&["--shell", "printf '%s\\n'"], evil, &expected),
        (&["--shell", "x={}; printf '%s\\n' \"$x\""], evil, &expected),
        (&["--shell", "printf '%s\\n' \"$1\""], evil, &expected),
        (&["--shell", "printf '%s\\n' `printf %s {} | wc -l`"], evil, b"0\n"),
        (&["--shell", "cat <<END\n$1\nEND"], evil, &expected),
        (&["--shell", "echo", "{#}", "{%}", "{/.}|", "tr", "a-z", "A-Z"], b"x/y z.c\n", b"1 1 Y Z\n"),
        (&["--shell", "-n2", "echo {} $#; echo {.}"], b"a b.c\nd\n", b"a b.c d 2\na b d\n"),
        (&["--shell", "echo no > /dev/null # {}\necho yes"], b"a\n", b"yes a\n"),
    ]);
}

#[test]
fn options_affect_the_environment_of_commands() {
    let own_nice: i32 = String::from_utf8(shell("nice").stdout).unwrap().trim().parse().unwrap();
    let lower = format!("{}\n", (own_nice + 3).min(19));
    check_outputs(&[
        (&["--nice", "3", "--shell", "nice # $1"], b"a\n", lower.as_bytes()),
        (&["-c1", "--shell", "echo $CORDIAL_INDEX $CORDIAL_SLOT $CORDIAL_ATTEMPT # $1"], b"a\nb\n", b"1 1 1\n2 1 1\n"),
        (&["--workdir", "/", "--shell", "pwd # $1"], b"a\n", b"/\n"),
        (&["-P0", "echo"], b"a\nb\n", b"a\nb\n"),
        (&["-j", "2", "echo"], b"a\nb\n", b"a\nb\n"),
        (&["--memfree", "1K", "--load", "100000", "--delay", "1ms", "echo"], b"a\nb\n", b"a\nb\n"),
    ]);
}

#[test]
fn two_running_commands_never_share_a_slot() {
    let dir = TestDir::new();
    let script = r#"mkdir "$2/$CORDIAL_SLOT" || echo taken; sleep 0.0$(($1 % 3)); rmdir "$2/$CORDIAL_SLOT""#;
    let input: String = (0..60).map(|n| format!("{n}\n")).collect();
    let result = run(&["map", "-c", "7", "sh", "-c", script, "sh", "{}", dir.text()], input.as_bytes());
    assert_eq!((result.status, result.stdout.as_slice(), result.stderr.as_str()), (0, &b""[..], ""));
}

#[test]
fn output_options_choose_the_format() {
    let two = "printf 'a\\nb'; sleep 0.3; echo c; printf d";
    check_outputs(&[
        (&["--tag", "--shell", "printf 'a\\nb'; echo c; printf d # $1"], b"x\n", b"x\ta\nx\tbc\nx\td"),
        (&["--tag", "-n2", "echo"], b"x\ny\n", b"x y\tx y\n"),
        (&["--line-buffer", "--shell", two], b"x\n", b"a\nbc\nd"),
        (&["--lb", "--tag", "--shell", "echo a; echo b # $1"], b"x\n", b"x\ta\nx\tb\n"),
        (&["-u", "echo"], b"x\n", b"x\n"),
        (&["-k", "echo"], b"x\ny\n", b"x\ny\n"),
        (&["-c1", "--unordered", "echo"], b"x\ny\n", b"x\ny\n"),
        (
            &["--dry-run", "no-such-command", "{}", "-o", "{/.}.x"],
            b"a b/it's.c\n",
            b"no-such-command 'a b/it'\\''s.c' -o 'it'\\''s'.x\n",
        ),
        (&["--dry-run", "--shell", "cat < {} | wc"], b"a b\n", b"cat < 'a b' | wc\n"),
        (&["--dry-run", "--tag", "-0", "echo"], b"a\0b c\0", b"a\techo a\nb c\techo 'b c'\n"),
        // Every shell reads these lines, which `$'a\tb'` would not be for dash.
        (&["--dry-run", "-0", "echo", "x{}"], b"a\tb\0it's\n\0", b"echo x'a\tb'\necho x'it'\\''s\n'\n"),
    ]);
}

#[test]
fn unordered_prints_results_as_they_finish() {
    // Item 1 ends only after the output of item 2 was read.
    let dir = TestDir::new();
    let result = shell(&format!(
        "seq 2 | \"$0\" map --unordered -c2 --shell 'while [ {{}} = 1 ] && [ ! -e {0}/seen ]; do sleep 0.01; done; echo {{}}' \
         | while read line; do echo \"$line\"; touch {0}/seen; done",
        dir.text()
    ));
    assert_eq!((result.status, result.stdout.as_slice()), (0, &b"2\n1\n"[..]));
}

#[test]
fn line_buffer_prints_lines_while_their_item_runs() {
    // The second line is written only after the first was read.
    let dir = TestDir::new();
    let result = shell(&format!(
        "echo 1 | \"$0\" map --line-buffer --shell 'echo first; while [ ! -e {0}/seen ]; do sleep 0.01; done; echo second # $1' \
         | while read line; do echo \"$line\"; touch {0}/seen; done",
        dir.text()
    ));
    assert_eq!((result.status, result.stdout.as_slice()), (0, &b"first\nsecond\n"[..]));
}

#[test]
fn quiet_hides_failure_messages() {
    check(&[Case {
        args: &["map", "--quiet", "sh", "-c", "echo $1 >&2; exit 1", "sh"],
        input: b"a\nb\n",
        status: 2,
        stdout: b"",
        stderr: "a\nb\n",
    }]);
}
