//! What is written down: joblog, results, objects; and how a run goes on from there.

use std::fs;

use crate::program::{Place, Ran, run};

fn lines(ran: &Ran) -> String {
    String::from_utf8(ran.stdout.clone()).unwrap()
}

/// The columns of a joblog that are the same each time: number, code, signal and command.
fn logged(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(place.path("log")).unwrap();
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
fn a_joblog_has_the_columns_of_gnu_parallel_and_is_gone_on_with() {
    let place = Place::new();
    let log = place.path("log");
    let log = log.to_str().unwrap();
    let script = r#"echo "$1"; [ "$1" != bad ] || exit 3; [ "$1" != ugly ] || kill -9 $$"#;
    let command = ["sh", "-c", script, "sh"];
    let map = |options: &[&str], input: &[u8]| run(&[&["map", "--joblog", log][..], options, &command].concat(), input);
    let first = map(&[], b"it's\nbad\nugly\n");
    assert_eq!((first.status, lines(&first).as_str()), (2, "it's\nbad\nugly\n"));
    let quoted = format!("sh -c '{}' sh", script);
    let rows =
        [format!("1 5 0 0 {quoted} 'it'\\''s'"), format!("2 4 3 0 {quoted} bad"), format!("3 5 0 9 {quoted} ugly")];
    assert_eq!(logged(&place), rows);

    let refused = map(&[], b"it's\nbad\nugly\n");
    assert_eq!((refused.status, refused.stdout.len()), (255, 0));
    assert!(refused.stderr.contains("exists: go on with it by --resume"), "{}", refused.stderr);
    assert_eq!(logged(&place), rows);

    let resumed = map(&["--resume"], b"it's\nbad\nugly\nnew\n");
    assert_eq!((resumed.status, lines(&resumed).as_str()), (0, "new\n"));
    assert_eq!(
        resumed.stderr.lines().last(),
        Some("cordial: 2 items that had failed were left out; --resume-failed runs what failed again")
    );
    let again = map(&["--resume-failed"], b"it's\nbad\nugly\nnew\n");
    assert_eq!((again.status, lines(&again).as_str()), (2, "bad\nugly\n"));
    assert_eq!(logged(&place).len(), 6);
}

#[test]
fn a_joblog_that_is_not_ours_is_refused_and_left_alone() {
    let place = Place::new();
    let log = place.path("log");
    let path = log.to_str().unwrap();
    run(&["map", "-c1", "--joblog", path, "echo", "<{}>"], b"1\n2\n");
    let before = fs::read(&log).unwrap();
    let marker = place.path("ran");
    for command in [&["touch", marker.to_str().unwrap()][..], &["echo", "[{}]"], &["--shell", "printf {}"]] {
        let ran = run(&[&["map", "--resume", "--joblog", path], command].concat(), b"1\n2\n3\n");
        assert_eq!((ran.status, ran.stdout.len()), (255, 0), "{command:?}");
        // The line of the second item may come first.
        let is_named =
            |item: &str| ran.stderr.contains(&format!("another command, \"echo '<'{item}'>'\"; name another"));
        assert!(is_named("1") || is_named("2"), "{}", ran.stderr);
    }
    let ran = run(&["map", "--resume", "--joblog", path, "echo", "<{}>"], b"7\n8\n");
    assert_eq!((ran.status, ran.stdout.len()), (255, 0));
    assert!(ran.stderr.contains("the joblog has another command for item 1"), "{}", ran.stderr);
    assert!(!marker.exists());
    assert_eq!(fs::read(&log).unwrap(), before);

    fs::write(&log, "something else\n").unwrap();
    let ran = run(&["map", "--resume", "--joblog", path, "echo"], b"1\n");
    assert_eq!(ran.status, 255);
    assert!(ran.stderr.contains("is no joblog: it begins with \"something else\""), "{}", ran.stderr);
}

#[test]
fn a_line_that_a_crash_cut_off_is_written_again() {
    let place = Place::new();
    let log = place.path("log");
    let path = log.to_str().unwrap();
    run(&["map", "-c1", "--joblog", path, "echo"], b"1\n2\n");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, &text[..text.len() - 4]).unwrap();
    let ran = run(&["map", "--resume", "--joblog", path, "echo"], b"1\n2\n");
    assert_eq!((ran.status, lines(&ran).as_str()), (0, "2\n"));
    assert_eq!(logged(&place), ["1 2 0 0 echo 1", "2 2 0 0 echo 2"]);
}

#[test]
fn results_are_kept_in_files() {
    let place = Place::new();
    let directory = place.path("deep/results");
    let path = directory.to_str().unwrap();
    let script = "echo out $1; echo err $1 >&2; [ $1 != b ] || exit 4; [ $1 != c ] || kill -15 $$";
    let map = |options: &[&str], input: &[u8]| {
        run(&[&["map", "--results", path][..], options, &["sh", "-c", script, "sh"]].concat(), input)
    };
    let ran = map(&[], b"a\nb\nc\n");
    assert_eq!((ran.status, lines(&ran).as_str()), (2, "out a\nout b\nout c\n"));
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(
        (read("1/stdout"), read("1/stderr"), read("1/status")),
        ("out a\n".into(), "err a\n".into(), "0\n".into())
    );
    assert_eq!((read("2/status"), read("3/status")), ("4\n".into(), "signal 15\n".into()));

    let refused = map(&[], b"z\n");
    assert_eq!((refused.status, refused.stdout.len()), (255, 0));
    assert!(refused.stderr.contains("exists: go on with it by --resume"), "{}", refused.stderr);
    assert_eq!(read("1/stdout"), "out a\n");
    let resumed = map(&["--resume"], b"a\nb\nc\nd\n");
    assert_eq!((resumed.status, lines(&resumed).as_str()), (0, "out d\n"));
    let again = map(&["--resume-failed"], b"a\nb\nc\nd\n");
    assert_eq!((again.status, lines(&again).as_str()), (2, "out b\nout c\n"));
}

#[test]
fn results_that_cannot_be_written_fail_their_item_alone() {
    let place = Place::new();
    let directory = place.path("results");
    fs::create_dir(&directory).unwrap();
    // In the way of a directory.
    fs::write(directory.join("2"), "").unwrap();
    let ran = run(&["map", "--resume", "--results", directory.to_str().unwrap(), "echo"], b"1\n2\n3\n");
    assert_eq!((ran.status, lines(&ran).as_str()), (1, "1\n2\n3\n"));
    assert!(ran.stderr.contains("results/2 cannot be written: File exists"), "{}", ran.stderr);
}

#[test]
fn objects_tell_everything() {
    let script =
        r#"printf "$1"; printf e >&2; case $1 in three) exit 3;; nine) kill -9 $$;; late) exec sleep 1000;; esac"#;
    let map = |options: &[&str], input: &[u8]| {
        run(&[&["map", "--json", "--quiet"][..], options, &["sh", "-c", script, "sh"]].concat(), input)
    };
    let ran = map(&["--timeout", "3s", "--grace", "0"], b"a\\n\"\nthree\nnine\nlate\n\\377\\0\nx\xff\nn\0ul\n");
    assert_eq!(ran.status, 4);
    let objects: Vec<serde_json::Value> = lines(&ran).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<String> = objects
        .iter()
        .map(|object| {
            let mut object = object.clone();
            let seconds = object.as_object_mut().unwrap().remove("seconds").unwrap().as_f64().unwrap();
            assert!((0.0..100.0).contains(&seconds));
            object.to_string()
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"{"attempts":1,"index":1,"item":"a\\n\"","status":{"code":0},"stderr":"e","stdout":"a\n\""}"#,
            r#"{"attempts":1,"index":2,"item":"three","status":{"code":3},"stderr":"e","stdout":"three"}"#,
            r#"{"attempts":1,"index":3,"item":"nine","status":{"signal":9},"stderr":"e","stdout":"nine"}"#,
            r#"{"attempts":1,"index":4,"item":"late","status":{"timeout":3.0},"stderr":"e","stdout":"late"}"#,
            r#"{"attempts":1,"index":5,"item":"\\377\\0","status":{"code":0},"stderr":"e","stdout_base64":"/wA="}"#,
            r#"{"attempts":1,"index":6,"item_base64":"eP8=","status":{"code":0},"stderr":"e","stdout_base64":"eP8="}"#,
            r#"{"attempts":1,"index":7,"item":"n\u0000ul","status":{"not_started":"it has a NUL byte, as byte 2, and no argument of a command can hold one"},"stderr":"","stdout":""}"#,
        ]
    );
    let several = map(&["-n", "2"], b"a\nb\n");
    assert!(lines(&several).starts_with(r#"{"index":1,"item":["a","b"],"status":{"code":0},"seconds":"#));
}

#[test]
fn large_objects_are_whole() {
    // Characters of two bytes, so that blocks end in the middle of one; and an end that makes the last one binary.
    for (end, field) in [("", "stdout"), ("; printf '\\377'", "stdout_base64")] {
        let script = format!("printf x; yes é | head -c 300000{end} # $1");
        let ran = run(&["map", "--json", "--shell", &script], b"1\n");
        let object: serde_json::Value = serde_json::from_str(&lines(&ran)).unwrap();
        let length = object[field].as_str().unwrap().len();
        assert_eq!(length, if end.is_empty() { 300_001 } else { 300_002_usize.div_ceil(3) * 4 });
    }
}
