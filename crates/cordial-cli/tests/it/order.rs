//! The order of results, how many commands run at once, and when results are printed.

use std::fs;
use std::io::{BufRead, BufReader, Write};

use crate::harness::{Case, TestDir, check, finish, run, shell, start};

#[test]
fn results_keep_the_order_of_the_input() {
    let dir = TestDir::new();
    // The first item finishes only after the last.
    let script = r#"[ $1 != 1 ] || while [ ! -e "$2/8" ]; do sleep 0.01; done; echo $1; touch "$2/$1""#;
    check(&[Case {
        args: &["map", "-c", "8", "--", "sh", "-c", script, "sh", "{}", dir.text()],
        input: b"1\n2\n3\n4\n5\n6\n7\n8\n",
        status: 0,
        stdout: b"1\n2\n3\n4\n5\n6\n7\n8\n",
        stderr: "",
    }]);
}

#[test]
fn outputs_of_items_do_not_mix() {
    let result = run(
        &["map", "-c", "4", "--", "sh", "-c", "for n in 1 2 3 4 5; do echo $1; echo $1 >&2; done", "sh"],
        b"a\nb\nc\nd\ne\nf\n",
    );
    let expected: String = ["a", "b", "c", "d", "e", "f"].map(|item| format!("{item}\n").repeat(5)).concat();
    assert_eq!(
        (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr),
        (0, expected.clone(), expected)
    );
}

#[test]
fn concurrency_is_reached_and_not_exceeded() {
    let dir = TestDir::new();
    // Each odd item waits for the next, even one, so two must run at once. The log shows that three never do.
    let script = r#"echo + >> "$2/log"; touch "$2/$1"; [ $(($1 % 2)) = 0 ] || while [ ! -e "$2/$(($1 + 1))" ]; do sleep 0.01; done; echo - >> "$2/log""#;
    let input: String = (1..=20).map(|n| format!("{n}\n")).collect();
    let result = run(&["map", "-c", "2", "--", "sh", "-c", script, "sh", "{}", dir.text()], input.as_bytes());
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    let (mut now, mut most) = (0, 0);
    for line in fs::read_to_string(dir.path("log")).unwrap().lines() {
        now += if line == "+" { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!((now, most), (0, 2));
}

#[test]
fn a_result_is_printed_before_the_next_item_is_read() {
    let mut child = start(&["map", "--", "echo"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for line in ["a\n", "b\n", "c\n"] {
        input.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer, line);
    }
    drop(input);
    assert_eq!(finish(child).status, 0);
}

#[test]
fn a_huge_concurrency_is_accepted() {
    let most = usize::MAX.to_string();
    check(&[Case {
        args: &["map", "-c", &most, "--", "echo"],
        input: b"a\nb\n",
        status: 0,
        stdout: b"a\nb\n",
        stderr: "",
    }]);
}

#[test]
fn line_buffer_loses_no_output_of_short_commands() {
    for round in 0..20 {
        let result = shell(r#"seq 2 | "$0" map --lb --shell 'yes {} | head -c 1000000' | wc -c"#);
        assert_eq!(result.stdout.trim_ascii(), b"2000000", "round {round}");
    }
}

#[test]
fn a_line_that_is_printed_in_parts_has_one_tag() {
    let result =
        shell(r#""$0" map --tag --lb --shell 'yes | tr -d "\n" | head -c 3000000; echo; echo b # {}' ::: a | tr -s y"#);
    assert_eq!((result.status, result.stdout.as_slice()), (0, &b"a\ty\na\tb\n"[..]));
}

#[test]
fn closed_standard_streams_are_not_errors() {
    for (script, output) in [(r#""$0" map echo <&-"#, ""), (r#""$0" map echo ::: a <&-"#, "a\n")] {
        let result = shell(script);
        assert_eq!(
            (result.status, result.stdout.as_slice(), result.stderr.as_str()),
            (0, output.as_bytes(), ""),
            "{script}"
        );
    }
    // `head` closes our standard output after the first line.
    let result = shell(r#"seq 100000 | { "$0" map -c1 echo; echo "status $?" >&2; } | head -1"#);
    assert_eq!((result.stdout.as_slice(), result.stderr.as_str()), (&b"1\n"[..], "status 141\n"));
}

/// The outcomes of short commands are sent together.
#[test]
fn one_command_at_a_time_is_printed_in_order_without_keep_order() {
    let items: String = (0..200).map(|n| format!("{n}\n")).collect();
    let result = run(&["map", "-c1", "--unordered", "echo"], items.as_bytes());
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    assert_eq!(String::from_utf8(result.stdout).unwrap(), items);
}
