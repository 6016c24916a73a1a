//! The texts that replace the placeholders of a command.

use crate::harness::{check_outputs, run};

#[test]
fn positions_stand_for_values() {
    check_outputs(&[
        (&["echo", "{2}-{1/.}", "{-1}", ":::", "a/b.c", ":::", "x", "y"], b"", b"x-b x\ny-b y\n"),
        (&["--shell", "echo {2}-{1/.} {-1} {1.}", ":::", "a/b.c", ":::", "x y"], b"", b"x y-b x y a/b\n"),
        (&["--shell", "printf '<%s>' {/} {2//}", ":::", "a/b c", ":::", "d/e"], b"", b"<b c><e><d>"),
        (&["-X", "-c1", "printf '<%s>' {.}"], b"a.b\nc d.e\n", b"<a><c d>"),
        (&["-N2", "echo", "{1}-{2}"], b"1\n2\n3\n", b"1-2\n3-\n"),
        (&["-N2", "echo", "[{-2}]", "{-2}", "{-1}"], b"1\n2\n3\n", b"[1] 1 2\n[] 3\n"),
        (&["echo", "{1\n}{1 }{1 .}{-1\t/}", "{ 1}", "{1\\n}"], b"a/b.c\n", b"a/b.ca/b.ca/bb.c { 1} {1\\n}\n"),
        (&["-N", "12", "--shell", "echo {12}{2}"], b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", b"122\n"),
        (&["--plus", "echo", "{..}", "{+/}", "{1+.}"], b"a/b.c.d\n", b"a/b a d\n"),
        (&["echo", "{..}", "{+/}"], b"a.b.c\n", b"{..} {+/} a.b.c\n"),
        (&["--bnr", ",,", "--er", "::", "echo", ",,-::-{/}"], b"a/b.c\n", b"b.c-a/b-{/}\n"),
        (&["--seqreplace", "N", "echo", "N", "{}"], b"a\n", b"1 a\n"),
    ]);
}

#[test]
fn a_value_that_an_item_does_not_have_is_no_word() {
    check_outputs(&[
        (&["-N2", "printf '<%s>' {1} {2} {2.} {-2} {-2/} x"], b"a.b\nc.d\ne\n", b"<a.b><c.d><c><a.b><a.b><x><e><x>"),
        (&["-N2", "--shell", "set -- 1 2 3; printf '<%s>' {2.} x"], b"a\nb.c\nd\n", b"<b><x><x>"),
        (&["-N2", "--dry-run", "echo {1} {2} {2.} x{2}"], b"a\nb.c\nd\n", b"echo a b.c b xb.c\necho d   x''\n"),
        // A value that is empty is a word.
        (&["-C", ",", "printf '<%s>' {1} {2} {2.} x"], b"a,b\na,\na\n", b"<a><b><b><x><a><><><x><a><x>"),
    ]);
}

#[test]
fn a_position_from_the_end_may_follow_a_change_of_the_arguments() {
    check_outputs(&[(&["--shell", "set -- a; echo {-1} {-2} $1", ":::", "x", ":::", "y"], b"", b"y x a\n")]);
}

/// As for GNU parallel. A value would get quotes of its own there, but a number needs none.
#[test]
fn a_number_may_be_inside_quotes() {
    check_outputs(&[
        (&["echo \"n {#} $(echo '{#}')\" 'a {#}'{}'{%}' \"{%}\"", ":::", "x"], b"", b"n 1 1 a 1x1 1\n"),
        (&["--shell-path", "sh", "sh -c 'echo {#}' {}", ":::", "x"], b"", b"1\n"),
        (&["--dry-run", "echo '{#}' \"{#}\" {}", ":::", "x"], b"", b"echo '1' \"1\" x\n"),
        (&["-c1", "f() { echo \"$1 {#}\" '{#} $1'; }; f {}", ":::", "x", "y"], b"", b"x 1 1 $1\ny 2 2 $1\n"),
    ]);
}

/// A table often has a column `#`.
#[test]
fn a_header_that_is_written_like_a_placeholder_is_the_value() {
    let table = b"#\t%\t.\tname\t/\n7\t50\tx.y\ta/b.c\td\n";
    check_outputs(&[
        (&["-C", "\\t", "--header", ":", "echo", "{#}", "{%}", "{.}", "{name}", "{/}"], table, b"7 50 x.y a/b.c d\n"),
        (&["-C", "\\t", "--header", ":", "echo {#} {%} {.} {name.}"], table, b"7 50 x.y a/b\n"),
        (&["--header", ":", "echo", "{#}", "{%}", ":::", "#", "7"], b"", b"7 1\n"),
    ]);
}

#[test]
fn a_placeholder_that_computes_is_never_text_with_plus() {
    for inner in [
        "%.gz",
        "1%.gz",
        "-1%.gz",
        "#a",
        "1#a",
        "/b/X",
        "1/b/X",
        ":1",
        "1:1",
        "2:0:2",
        ":-d",
        "1:-d",
        "^a",
        "1,,A",
        "##",
        "0#",
        "0%",
        "uniq",
        "1uniq",
        "2choose_k",
        "slot",
        "1host",
    ] {
        let written = format!("{{{inner}}}");
        let result = run(&["map", "--plus", "echo", &written, ":::", "abc"], b"");
        assert_eq!((result.status, result.stdout.as_slice()), (255, &b""[..]), "{written}");
        assert!(result.stderr.contains(&format!("{written} is not supported")), "{}", result.stderr);
    }
    check_outputs(&[
        (&["echo", "{1%c}", "{1:1}", ":::", "abc"], b"", b"{1%c} {1:1} abc\n"),
        (&["--plus", "echo", "{1abc}", "{-}", ":::", "abc"], b"", b"{1abc} {-} abc\n"),
    ]);
}

#[test]
fn with_dash_i_only_its_text_is_the_item() {
    check_outputs(&[
        (&["-I{}", "echo", "x"], b"a\nb\n", b"x\nx\n"),
        (&["-I", "@", "echo", "@{}{1}"], b"a\n", b"a{}{1}\n"),
        (&["-I", "@", "--shell", "echo x; echo '{}'"], b"a\n", b"x\n{}\n"),
    ]);
}

#[test]
fn substitutions_calculations_and_here_documents_take_the_item() {
    let evil = b"a  b'\"$(echo no)`echo no`;\n";
    let text = &evil[..evil.len() - 1];
    let lines = |n: usize| [text, b"\n"].concat().repeat(n);
    check_outputs(&[
        (&["--shell", "echo \"$(basename {} .txt)\""], b"x/a  b.txt\n", b"a  b\n"),
        (&["--shell", "printf '%s\\n' \"$(printf %s {})\" \"`printf %s {}`\""], evil, &lines(2)),
        (&["--shell", "cat <<E\n{}\n$(printf %s {})\nE\nprintf '%s\\n' {}"], evil, &lines(3)),
        (&["--shell", "echo $(({}+1)) \"$(( ({} * 2) - 1 ))\""], b"5\n", b"6 9\n"),
        (&["--shell", "-n2", "echo \"$(echo {} | wc -w)\""], b"a b\nc\n", b"3\n"),
    ]);
    let result = run(&["map", "--shell", "echo $(({} + 1))"], b"x[$(touch no)]\n2\n");
    assert_eq!((result.status, result.stdout.as_slice()), (1, &b"3\n"[..]));
    assert!(result.stderr.contains("the item is in a calculation, and is not a number"), "{}", result.stderr);
}

#[test]
fn an_item_is_not_evaluated_in_a_calculation() {
    let evil = b"a[$(echo pwned >&2)]\n";
    for line in [
        "for((i=0;i<{};i++)); do :; done",
        "if(({}>1)); then :; fi",
        "while ! (({}>1)); do break; done",
        "echo $[{}+1]",
        "echo \"$[{}+1]\"",
        "echo ${a[{}]}",
        "echo \"${a[{}]}\" ${#a[{}]} ${!a[{}]}",
        "echo ${x:{}:1}",
        "echo \"${x:1:{}}\"",
        "echo ${@:{}}",
        "[[ {} -gt 3 ]]",
        "if [[ x && 3 -eq {} ]]; then :; fi",
        "[[ $([[ {} -gt 3 ]] && echo 1) = 1 ]]",
        "let x={}",
        "if let y=1 x={}; then :; fi",
    ] {
        let result = run(&["map", "--shell-path", "bash", line], evil);
        assert!(
            result.stderr.contains("the item is in a calculation, and is not a number"),
            "{line}: {}",
            result.stderr
        );
        assert_eq!(result.status, 1, "{line}");
    }
    for line in ["echo $(( {} + $(echo ')' | wc -c) ))", "(( {} + $(echo ')' | wc -c) ))"] {
        let result = run(&["map", "--shell-path", "bash", line], evil);
        assert!(result.stderr.contains("which may begin a calculation or a command"), "{line}: {}", result.stderr);
        assert_eq!(result.status, 255, "{line}");
    }
    for (line, stdout) in [
        ("a=(4 5 6); echo ${a[{}]} ${a[@]:{}:1} $[{}+1] \"${a[{}]}\"", &b"5 5 2 5\n"[..]),
        ("for((i=0;i<{};i++)); do echo {}; done", b"1\n"),
        ("[[ {} -gt 0 ]] && let x={}+1 && echo $x {}", b"2 1\n"),
    ] {
        let result = run(&["map", "--shell-path", "bash", line], b"1\n");
        assert_eq!((&*result.stdout, &*result.stderr), (stdout, ""), "{line}");
    }
    // Elsewhere an item may be any text.
    for line in [
        "echo ${x:-{}}",
        "[[ -n {} && 3 -gt 2 ]] && echo {}",
        "[[ {} == a* ]] && let x=1 && echo {}",
        "x={}; echo ${x#{}}{}",
        "((echo {}) | cat)",
    ] {
        let result = run(&["map", "--shell-path", "bash", line], evil);
        assert_eq!((&*result.stdout, &*result.stderr), (evil.as_slice(), ""), "{line}");
    }
}

#[test]
fn a_placeholder_after_a_dollar_that_begins_no_substitution_is_replaced() {
    for (line, stdout) in [
        ("echo \\${}", "$a\n"),
        ("x=$$; [ $${} = \"$x\"a ] && echo same", "same\n"),
        ("printf '%s ' \\\\${#}", "\\1 a "),
    ] {
        let result = crate::harness::run(&["map", "--shell", line, ":::", "a"], b"");
        assert_eq!((result.status, result.text()), (0, stdout), "{line}: {}", result.stderr);
    }
}

#[test]
fn a_later_argument_is_a_value_of_an_item_that_has_several() {
    let run = |words: &[&str]| crate::harness::run(words, b"").stdout;
    assert_eq!(run(&["map", "--colsep", ",", "--shell", "echo \"$2\"", ":::", "a,b"]), b"b\n");
    assert_eq!(run(&["map", "--shell", "echo $2", ":::", "a"]), b"a\n");
}

#[test]
fn the_arguments_of_a_function_are_not_those_of_the_line() {
    for (line, stdout) in [
        ("f() { printf '{'; }; echo $1", "a\n"),
        ("f() { printf \"}\"; echo \"f: $1\"; }; f", "}f: a\n"),
        ("f() (echo \"$1\"); f", "a\n"),
        ("f() {\n# today's file\necho \"$*\"\n}\nf \"$1\"", "a\n"),
        ("f() {\ncat <<E\nit's $1\nE\n}\nf \"$1\"", "it's a\n"),
    ] {
        let result = crate::harness::run(&["map", "--shell", line, ":::", "a"], b"");
        assert_eq!((result.status, result.text()), (0, stdout), "{line}: {}", result.stderr);
    }
}
