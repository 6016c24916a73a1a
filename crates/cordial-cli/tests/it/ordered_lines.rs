//! `--keep-order --line-buffer`: the first item that is not printed to its end streams its lines; those of the others
//! are held.

use std::io::{BufRead, BufReader};

use crate::harness::{TestDir, finish, run, shell, start};

#[test]
fn the_first_item_streams_its_lines_and_the_others_wait_for_their_turn() {
    let dir = TestDir::new();
    let script = r#"echo $1 begins; touch "$2/$1"; while [ ! -e "$2/go$1" ]; do sleep 0.01; done; echo $1 ends; touch "$2/end$1""#;
    let args = ["map", "-k", "--line-buffer", "-c3", "sh", "-c", script, "sh", "{}", dir.text(), ":::", "1", "2", "3"];
    let mut child = start(&args);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    ["1", "2", "3"].iter().for_each(|item| dir.wait_for(item));
    // The last item ends first. Its lines are held.
    dir.touch("go3");
    dir.wait_for("end3");
    assert_eq!(next(), "1 begins");
    dir.touch("go1");
    // The second item runs and writes nothing now: its held line is printed when the first item has ended.
    assert_eq!([next(), next()], ["1 ends", "2 begins"]);
    dir.touch("go2");
    assert_eq!([next(), next(), next()], ["2 ends", "3 begins", "3 ends"]);
    assert!(lines.next().is_none());
    assert_eq!(finish(child).status, 0);
}

#[test]
fn lines_in_order_are_complete_with_other_options() {
    // Later items write sooner.
    let wait = r#"sleep 0.0$((6 - $1)); "#;
    for (options, script, stdout, stderr) in [
        (&["--tag"][..], "echo a; printf b", "1\ta\n1\tb2\ta\n2\tb3\ta\n3\tb", ""),
        (&[], "echo $1; echo $1 >&2", "1\n2\n3\n", "1\n2\n3\n"),
        (&["-n1", "--lb"], "printf x$1", "x1x2x3", ""),
        // As with --line-buffer alone, the lines of each attempt are printed.
        (
            &["--retries", "1"],
            "echo $1.$CORDIAL_ATTEMPT; [ $CORDIAL_ATTEMPT = 2 ]",
            "1.1\n1.2\n2.1\n2.2\n3.1\n3.2\n",
            "",
        ),
        (&["--timeout", "10"], "echo $1; sleep 0.01; echo $1", "1\n1\n2\n2\n3\n3\n", ""),
        (&["--unordered", "-k"], "echo $1", "1\n2\n3\n", ""),
    ] {
        let script = format!("{wait}{script}");
        let result =
            run(&[&["map", "-c3", "-k", "--lb"], options, &["sh", "-c", &script, "sh"]].concat(), b"1\n2\n3\n");
        let found = (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr.as_str());
        assert_eq!(found, (0, stdout.to_owned(), stderr), "{options:?}");
    }
}

#[test]
fn a_failure_is_reported_between_the_lines_of_its_item_and_of_the_next() {
    let result = shell(r#"seq 3 | "$0" map -k --lb -c3 'sleep 0.0$((4 - {})); echo {}; [ {} != 2 ]' 2>&1"#);
    let output = String::from_utf8(result.stdout).unwrap();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3]), ("1", "2", "3"), "{output}");
    assert!(lines[2].contains("item 2 \"2\" failed"), "{output}");
    assert_eq!(result.status, 1);
}

#[test]
fn large_outputs_in_order_are_complete() {
    // The others have written all before the first writes anything.
    let dir = TestDir::new();
    let result = shell(&format!(
        r#"seq 4 | "$0" map -k --lb -c4 --shell 'while [ {{}} = 1 ] && [ ! -e {0}/4 ]; do sleep 0.01; done; yes {{}} | head -c 3000000; touch {0}/{{}}' | uniq -c"#,
        dir.text()
    ));
    let counts: Vec<&str> = std::str::from_utf8(&result.stdout).unwrap().split_whitespace().collect();
    assert_eq!(counts, ["1500000", "1", "1500000", "2", "1500000", "3", "1500000", "4"]);
}

#[test]
fn blocks_in_order_give_the_input_back() {
    let result = shell(
        r#"seq 300000 | "$0" map --pipe -k --lb --block 50k -c8 --shell 'sleep 0.0$(({#} % 5)); cat' | cksum; seq 300000 | cksum"#,
    );
    let output = String::from_utf8(result.stdout).unwrap();
    let (ours, expected) = output.trim_end().split_once('\n').unwrap();
    assert_eq!(ours, expected);
}

#[test]
fn a_full_disk_fails_only_the_items_whose_lines_are_held() {
    // The first item waits until the second is asked to end, or has ended because its output was closed.
    let dir = TestDir::new();
    let result = shell(&format!(
        r#"trap '' XFSZ; ulimit -f 400; seq 3 | "$0" map -k --lb -c3 --grace 1h --shell 'echo {{}}; trap "touch {0}/2; exit 1" TERM; while [ {{}} = 1 ] && [ ! -e {0}/2 ]; do sleep 0.01; done; [ {{}} != 2 ] || yes | head -c 1000000; [ {{}} != 2 ] || touch {0}/2; echo {{}}' | tail -n 2"#,
        dir.text()
    ));
    assert_eq!((result.status, result.stdout.as_slice()), (0, &b"3\n3\n"[..]));
    assert!(result.stderr.contains("item 2 \"2\" failed: "), "{}", result.stderr);
    assert!(result.stderr.contains("store it in a temporary file in "), "{}", result.stderr);
    assert!(result.stderr.contains("1 of 3 items failed"), "{}", result.stderr);
}

#[test]
fn a_stopped_run_prints_the_held_lines() {
    // The second item fails and stops the first, which has printed nothing more.
    let dir = TestDir::new();
    let script =
        r#"echo $1; touch "$2/$1"; [ $1 = 1 ] && exec sleep 1000; while [ ! -e "$2/1" ]; do sleep 0.01; done; exit 3"#;
    let result =
        run(&["map", "-k", "--lb", "-c2", "--fail-fast", "sh", "-c", script, "sh", "{}", dir.text()], b"1\n2\n");
    assert_eq!((result.status, result.stdout.as_slice()), (3, &b"1\n2\n"[..]));
    assert!(result.stderr.contains("item 1 \"1\" was stopped before it finished"), "{}", result.stderr);
}
