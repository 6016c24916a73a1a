//! Records of a run: joblog, results directory and JSON objects, and how a run is resumed from them.

use std::fs;

use crate::harness::{RunOutput, TestDir, run};

fn stdout(result: &RunOutput) -> String {
    String::from_utf8(result.stdout.clone()).unwrap()
}

/// Returns the columns of a joblog that do not depend on time: number, received bytes, code, signal and command.
fn logged(dir: &TestDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path("log")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"));
    let mut rows: Vec<String> = lines
        .map(|line| {
            let columns: Vec<&str> = line.splitn(9, '\t').collect();
            assert_eq!((columns[1], columns[4]), (":", "0"));
            assert!(columns[2].parse::<f64>().unwrap() > 1e9 && columns[3].trim().parse::<f64>().unwrap() < 1e3);
            [columns[0], columns[5], columns[6], columns[7], columns[8]].join(" ")
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn a_joblog_has_the_columns_of_gnu_parallel_and_can_be_resumed() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let log = log.to_str().unwrap();
    let script = r#"echo "$1"; [ "$1" != bad ] || exit 3; [ "$1" != ugly ] || kill -9 $$"#;
    let command = ["sh", "-c", script, "sh"];
    let map = |options: &[&str], input: &[u8]| run(&[&["map", "--joblog", log][..], options, &command].concat(), input);
    let first = map(&[], b"it's\nbad\nugly\n");
    assert_eq!((first.status, stdout(&first).as_str()), (2, "it's\nbad\nugly\n"));
    let quoted = format!("sh -c '{}' sh", script);
    let rows =
        [format!("1 5 0 0 {quoted} 'it'\\''s'"), format!("2 4 3 0 {quoted} bad"), format!("3 5 0 9 {quoted} ugly")];
    assert_eq!(logged(&dir), rows);

    let refused = map(&[], b"it's\nbad\nugly\n");
    assert_eq!((refused.status, refused.stdout.len()), (255, 0));
    assert!(refused.stderr.contains("already exists: continue it with --resume"), "{}", refused.stderr);
    assert_eq!(logged(&dir), rows);

    let resumed = map(&["--resume"], b"it's\nbad\nugly\nnew\n");
    assert_eq!((resumed.status, stdout(&resumed).as_str()), (0, "new\n"));
    assert_eq!(
        resumed.stderr.lines().last(),
        Some(
            "cordial: 2 items that failed in an earlier run were skipped; use --resume-failed to run failed items again"
        )
    );
    let again = map(&["--resume-failed"], b"it's\nbad\nugly\nnew\n");
    assert_eq!((again.status, stdout(&again).as_str()), (2, "bad\nugly\n"));
    assert_eq!(logged(&dir).len(), 6);
}

#[test]
fn a_joblog_of_another_command_is_refused_and_not_changed() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let path = log.to_str().unwrap();
    run(&["map", "-c1", "--joblog", path, "echo", "<{}>"], b"1\n2\n");
    let before = fs::read(&log).unwrap();
    let marker = dir.path("ran");
    for command in [&["touch", marker.to_str().unwrap()][..], &["echo", "[{}]"], &["--shell", "printf {}"]] {
        let result = run(&[&["map", "--resume", "--joblog", path], command].concat(), b"1\n2\n3\n");
        assert_eq!((result.status, result.stdout.len()), (255, 0), "{command:?}");
        // The line of the second item may be first.
        let is_named =
            |item: &str| result.stderr.contains(&format!("another command, \"echo '<'{item}'>'\"; name another"));
        assert!(is_named("1") || is_named("2"), "{}", result.stderr);
    }
    let result = run(&["map", "--resume", "--joblog", path, "echo", "<{}>"], b"7\n8\n");
    assert_eq!((result.status, result.stdout.len()), (255, 0));
    assert!(result.stderr.contains("the joblog has another command for item 1"), "{}", result.stderr);
    assert!(!marker.exists());
    assert_eq!(fs::read(&log).unwrap(), before);

    fs::write(&log, "something else\n").unwrap();
    let result = run(&["map", "--resume", "--joblog", path, "echo"], b"1\n");
    assert_eq!(result.status, 255);
    assert!(result.stderr.contains("is not a joblog: its first line is \"something else\""), "{}", result.stderr);
}

#[test]
fn an_unfinished_joblog_line_is_written_again() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let path = log.to_str().unwrap();
    run(&["map", "-c1", "--joblog", path, "echo"], b"1\n2\n");
    let text = fs::read_to_string(&log).unwrap();
    // The line of the second item may be first.
    let last_item = text.lines().last().unwrap().rsplit(' ').next().unwrap();
    fs::write(&log, &text[..text.len() - 4]).unwrap();
    let result = run(&["map", "--resume", "--joblog", path, "echo"], b"1\n2\n");
    assert_eq!((result.status, stdout(&result)), (0, format!("{last_item}\n")));
    assert_eq!(logged(&dir), ["1 2 0 0 echo 1", "2 2 0 0 echo 2"]);
}

#[test]
fn results_are_written_to_files_and_can_be_resumed() {
    let dir = TestDir::new();
    let directory = dir.path("deep/results");
    let path = directory.to_str().unwrap();
    let script = "echo out $1; echo err $1 >&2; [ $1 != b ] || exit 4; [ $1 != c ] || kill -15 $$";
    let map = |options: &[&str], input: &[u8]| {
        run(&[&["map", "--results", path][..], options, &["sh", "-c", script, "sh"]].concat(), input)
    };
    let result = map(&[], b"a\nb\nc\n");
    assert_eq!((result.status, stdout(&result).as_str()), (2, "out a\nout b\nout c\n"));
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(
        (read("1/stdout"), read("1/stderr"), read("1/status")),
        ("out a\n".into(), "err a\n".into(), "0\n".into())
    );
    assert_eq!((read("2/status"), read("3/status")), ("4\n".into(), "signal 15\n".into()));

    let refused = map(&[], b"z\n");
    assert_eq!((refused.status, refused.stdout.len()), (255, 0));
    assert!(refused.stderr.contains("already exists: continue it with --resume"), "{}", refused.stderr);
    assert_eq!(read("1/stdout"), "out a\n");
    let resumed = map(&["--resume"], b"a\nb\nc\nd\n");
    assert_eq!((resumed.status, stdout(&resumed).as_str()), (0, "out d\n"));
    let again = map(&["--resume-failed"], b"a\nb\nc\nd\n");
    assert_eq!((again.status, stdout(&again).as_str()), (2, "out b\nout c\n"));
}

#[test]
fn results_that_cannot_be_written_fail_only_their_item() {
    let dir = TestDir::new();
    let directory = dir.path("results");
    fs::create_dir(&directory).unwrap();
    // A file where the directory of the second item would be.
    fs::write(directory.join("2"), "").unwrap();
    let result = run(&["map", "--resume", "--results", directory.to_str().unwrap(), "echo"], b"1\n2\n3\n");
    assert_eq!((result.status, stdout(&result).as_str()), (1, "1\n2\n3\n"));
    assert!(result.stderr.contains("results/2: File exists"), "{}", result.stderr);
}

#[test]
fn json_objects_describe_every_outcome() {
    let script =
        r#"printf "$1"; printf e >&2; case $1 in three) exit 3;; nine) kill -9 $$;; late) exec sleep 1000;; esac"#;
    let map = |options: &[&str], input: &[u8]| {
        run(&[&["map", "--json", "--quiet"][..], options, &["sh", "-c", script, "sh"]].concat(), input)
    };
    let result = map(&["--timeout", "3s", "--grace", "0"], b"a\\n\"\nthree\nnine\nlate\n\\377\\0\nx\xff\nn\0ul\n");
    assert_eq!(result.status, 4);
    let objects: Vec<serde_json::Value> =
        stdout(&result).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let objects_without_time: Vec<String> = objects
        .iter()
        .map(|object| {
            let mut object = object.clone();
            let seconds = object.as_object_mut().unwrap().remove("seconds").unwrap().as_f64().unwrap();
            assert!((0.0..100.0).contains(&seconds));
            object.to_string()
        })
        .collect();
    assert_eq!(
        objects_without_time,
        [
            r#"{"attempts":1,"index":1,"item":"a\\n\"","status":{"code":0},"stderr":"e","stdout":"a\n\""}"#,
            r#"{"attempts":1,"index":2,"item":"three","status":{"code":3},"stderr":"e","stdout":"three"}"#,
            r#"{"attempts":1,"index":3,"item":"nine","status":{"signal":9},"stderr":"e","stdout":"nine"}"#,
            r#"{"attempts":1,"index":4,"item":"late","status":{"timeout":3.0},"stderr":"e","stdout":"late"}"#,
            r#"{"attempts":1,"index":5,"item":"\\377\\0","status":{"code":0},"stderr":"e","stdout_base64":"/wA="}"#,
            r#"{"attempts":1,"index":6,"item_base64":"eP8=","status":{"code":0},"stderr":"e","stdout_base64":"eP8="}"#,
            r#"{"attempts":1,"index":7,"item":"n\u0000ul","status":{"not_started":"the item contains a NUL byte (byte 2), which no argument can contain; if NUL separates items, use -0"},"stderr":"","stdout":""}"#,
        ]
    );
    let several = map(&["-n", "2"], b"a\nb\n");
    assert!(stdout(&several).starts_with(r#"{"index":1,"item":["a","b"],"status":{"code":0},"seconds":"#));
}

#[test]
fn large_json_objects_are_complete() {
    // With characters of two bytes, blocks end inside a character. The second output is binary because of its last byte.
    for (end, field) in [("", "stdout"), ("; printf '\\377'", "stdout_base64")] {
        let script = format!("printf x; yes é | head -c 300000{end} # $1");
        let result = run(&["map", "--json", "--shell", &script], b"1\n");
        let object: serde_json::Value = serde_json::from_str(&stdout(&result)).unwrap();
        let length = object[field].as_str().unwrap().len();
        assert_eq!(length, if end.is_empty() { 300_001 } else { 300_002_usize.div_ceil(3) * 4 });
    }
}
