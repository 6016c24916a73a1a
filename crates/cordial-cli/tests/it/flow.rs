//! Order, parallelism and the flow of results.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::program::{Case, Place, check, cordial, finish, run, shell};

#[test]
fn results_come_in_the_order_of_the_input_with_the_slowest_first() {
    let place = Place::new();
    // The first item ends only after the last has.
    let script = r#"[ $1 != 1 ] || while [ ! -e "$2/8" ]; do sleep 0.01; done; echo $1; touch "$2/$1""#;
    check(&[Case {
        args: &["map", "-c", "8", "--", "sh", "-c", script, "sh", "{}", place.text()],
        input: b"1\n2\n3\n4\n5\n6\n7\n8\n",
        status: 0,
        stdout: b"1\n2\n3\n4\n5\n6\n7\n8\n",
        stderr: "",
    }]);
}

#[test]
fn the_output_of_an_item_is_kept_together() {
    let ran = run(
        &["map", "-c", "4", "--", "sh", "-c", "for n in 1 2 3 4 5; do echo $1; echo $1 >&2; done", "sh"],
        b"a\nb\nc\nd\ne\nf\n",
    );
    let expected: String = ["a", "b", "c", "d", "e", "f"].map(|item| format!("{item}\n").repeat(5)).concat();
    assert_eq!((ran.status, String::from_utf8(ran.stdout).unwrap(), ran.stderr), (0, expected.clone(), expected));
}

#[test]
fn at_most_so_many_run_at_once_and_so_many_do() {
    let place = Place::new();
    // Each odd item waits for its even neighbor, so that two at once are needed; the log shows that there are never three.
    let script = r#"echo + >> "$2/log"; touch "$2/$1"; [ $(($1 % 2)) = 0 ] || while [ ! -e "$2/$(($1 + 1))" ]; do sleep 0.01; done; echo - >> "$2/log""#;
    let input: String = (1..=20).map(|n| format!("{n}\n")).collect();
    let ran = run(&["map", "-c", "2", "--", "sh", "-c", script, "sh", "{}", place.text()], input.as_bytes());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let (mut now, mut most) = (0, 0);
    for line in fs::read_to_string(place.path("log")).unwrap().lines() {
        now += if line == "+" { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!((now, most), (0, 2));
}

#[test]
fn a_result_does_not_wait_for_more_input() {
    let mut child = cordial()
        .args(["map", "--", "echo"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
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
fn a_huge_number_at_once_is_as_many_as_there_are() {
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
fn live_lines_are_all_there_also_where_a_command_ends_before_they_are_read() {
    for round in 0..20 {
        let ran = shell(r#"seq 2 | "$0" map --lb --shell 'yes {} | head -c 1000000' | wc -c"#);
        assert_eq!(ran.stdout.trim_ascii(), b"2000000", "round {round}");
    }
}

#[test]
fn without_a_standard_input_there_are_no_items_but_those_given() {
    for (script, output) in [(r#""$0" map echo <&-"#, ""), (r#""$0" map echo ::: a <&-"#, "a\n")] {
        let ran = shell(script);
        assert_eq!((ran.status, ran.stdout.as_slice(), ran.stderr.as_str()), (0, output.as_bytes(), ""), "{script}");
    }
    // Nobody wants more than the first line, and that is no failure.
    let ran = shell(r#"seq 100000 | { "$0" map -c1 echo; echo "status $?" >&2; } | head -1"#);
    assert_eq!((ran.stdout.as_slice(), ran.stderr.as_str()), (&b"1\n"[..], "status 141\n"));
}
