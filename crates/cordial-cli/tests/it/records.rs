//! Records of a run: joblog, results directory and JSON objects, and how a run is resumed from them.

use std::fs;
use std::process::Stdio;

use crate::harness::{RunOutput, TestDir, cordial, finish, has_parallel, run, shell};

/// Returns the columns of a joblog that do not depend on time: number, received bytes, code, signal, command and item.
fn logged(dir: &TestDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path("log")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\tItem"));
    let mut rows: Vec<String> = lines
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!((columns[1], columns[4]), (":", "0"));
            assert!(columns[2].parse::<f64>().unwrap() > 1e9 && columns[3].trim().parse::<f64>().unwrap() < 1e3);
            [columns[0], columns[5], columns[6], columns[7], columns[8], columns[9]].join(" ")
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
    assert_eq!((first.status, first.text()), (2, "it's\nbad\nugly\n"));
    let quoted = format!("sh -c '{}' sh", script);
    let rows = [("1 5 0 0", "'it'\\''s'"), ("2 4 3 0", "bad"), ("3 5 0 9", "ugly")];
    let rows = rows.map(|(columns, item)| format!("{columns} {quoted} {item} # {item}"));
    assert_eq!(logged(&dir), rows);

    let refused = map(&[], b"it's\nbad\nugly\n");
    assert_eq!((refused.status, refused.stdout.len()), (255, 0));
    assert!(refused.stderr.contains("already exists: continue it with --resume"), "{}", refused.stderr);
    assert_eq!(logged(&dir), rows);

    let resumed = map(&["--resume"], b"it's\nbad\nugly\nnew\n");
    assert_eq!((resumed.status, resumed.text()), (0, "new\n"));
    assert_eq!(
        resumed.stderr.lines().last(),
        Some(
            "cordial: 2 items that failed in an earlier run were skipped; use --resume-failed to run failed items again"
        )
    );
    let again = map(&["--resume-failed"], b"it's\nbad\nugly\nnew\n");
    assert_eq!((again.status, again.text()), (2, "bad\nugly\n"));
    assert_eq!(logged(&dir).len(), 6);
}

#[test]
fn a_joblog_counts_bytes_that_are_printed_line_by_line() {
    for options in [&["--lb"][..], &["--lb", "-k", "--tag"]] {
        let dir = TestDir::new();
        let log = dir.path("log");
        run(&[&["map", "--joblog", log.to_str().unwrap()], options, &["printf", "%s\\n1"]].concat(), b"a\nbc\n");
        let received: Vec<String> = logged(&dir).iter().map(|row| row[..3].to_owned()).collect();
        assert_eq!(received, ["1 3", "2 4"], "{options:?}");
    }
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
        assert!(result.stderr.contains("another command, \"echo '<'1'>'\"; name another"), "{}", result.stderr);
    }
    // `{}` could stand for `1'>'`, so this is known only when the item is reached.
    let result = run(&["map", "--resume", "--joblog", path, "echo", "<{}"], b"1\n2\n");
    assert_eq!((result.status, result.stdout.len()), (255, 0));
    assert!(result.stderr.contains("the joblog has another command for item 1"), "{}", result.stderr);
    assert!(!marker.exists());
    assert_eq!(fs::read(&log).unwrap(), before);

    for text in ["something else\n", "something else"] {
        fs::write(&log, text).unwrap();
        let result = run(&["map", "--resume", "--joblog", path, "echo"], b"1\n");
        assert_eq!(result.status, 255);
        assert!(result.stderr.contains("is not a joblog: its first line is \"something else\""), "{}", result.stderr);
        assert_eq!(fs::read_to_string(&log).unwrap(), text);
    }
}

#[test]
fn an_unfinished_joblog_line_is_written_again() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let path = log.to_str().unwrap();
    run(&["map", "-c1", "--joblog", path, "echo"], b"1\n2\n");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, &text[..text.len() - 1]).unwrap();
    let result = run(&["map", "--resume", "--joblog", path, "echo"], b"1\n2\n");
    assert_eq!((result.status, result.text()), (0, "2\n"));
    assert!(result.stderr.contains("the last line of the joblog was not complete"), "{}", result.stderr);
    assert_eq!(logged(&dir), ["1 2 0 0 echo 1 # 1", "2 2 0 0 echo 2 # 2"]);
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
    assert_eq!((result.status, result.text()), (2, "out a\nout b\nout c\n"));
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(
        (read("1/stdout"), read("1/stderr"), read("1/status")),
        ("out a\n".into(), "err a\n".into(), "0\n".into())
    );
    assert_eq!((read("2/status"), read("3/status")), ("4\n".into(), "signal 15\n".into()));
    assert_eq!((read("1/item"), read("3/item")), ("a\n".into(), "c\n".into()));

    let refused = map(&[], b"z\n");
    assert_eq!((refused.status, refused.stdout.len()), (255, 0));
    assert!(refused.stderr.contains("already exists: continue it with --resume"), "{}", refused.stderr);
    assert_eq!(read("1/stdout"), "out a\n");
    let resumed = map(&["--resume"], b"a\nb\nc\nd\n");
    assert_eq!((resumed.status, resumed.text()), (0, "out d\n"));
    let again = map(&["--resume-failed"], b"a\nb\nc\nd\n");
    assert_eq!((again.status, again.text()), (2, "out b\nout c\n"));
}

#[test]
fn results_that_cannot_be_written_fail_only_their_item() {
    let dir = TestDir::new();
    let directory = dir.path("results");
    fs::create_dir(&directory).unwrap();
    // A file where the directory of the second item would be.
    fs::write(directory.join("2"), "").unwrap();
    let result = run(&["map", "--resume", "--results", directory.to_str().unwrap(), "echo"], b"1\n2\n3\n");
    assert_eq!((result.status, result.text()), (1, "1\n2\n3\n"));
    assert!(result.stderr.contains("results/2: File exists"), "{}", result.stderr);
}

/// A further attempt would have no input: a block is released after the last attempt.
#[test]
fn an_item_whose_result_cannot_be_saved_is_not_run_again() {
    let dir = TestDir::new();
    let (results, log) = (dir.path("results"), dir.path("log"));
    let records = ["--results", results.to_str().unwrap(), "--joblog", log.to_str().unwrap()];
    // The command puts a file where the directory of its result would be.
    let script = r#"cat; echo ran; touch "$1/1""#;
    let command = ["--pipe", "--retries", "2", "sh", "-c", script, "sh", results.to_str().unwrap()];
    let result = run(&[&["map"][..], &records, &command].concat(), b"input\n");
    assert_eq!((result.status, result.text()), (1, "input\nran\n"));
    assert!(result.stderr.contains("cannot save its result (--results)"), "{}", result.stderr);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2);
}

#[test]
fn a_run_whose_records_are_refused_leaves_no_new_ones() {
    let dir = TestDir::new();
    let (old, new) = (dir.path("old"), dir.path("new"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let refused = |options: &[&str], why: &str| {
        let result = run(&[&["map"], options, &["echo", ":::", "a"]].concat(), b"");
        assert_eq!((result.status, result.stdout.len()), (255, 0), "{options:?}");
        assert!(result.stderr.contains(why), "{options:?}: {}", result.stderr);
        assert!(!dir.path("new").exists(), "{options:?}");
    };
    fs::write(old, "something else\n").unwrap();
    refused(&["--joblog", old, "--results", new], "already exists");
    refused(&["--joblog", old, "--results", new, "--resume"], "is not a joblog");
    fs::remove_file(old).unwrap();
    fs::create_dir_all(dir.path("old/1")).unwrap();
    refused(&["--joblog", new, "--results", old], "already exists");
    fs::write(dir.path("old/1/status"), "0\n").unwrap();
    refused(&["--joblog", new, "--results", old, "--resume"], "does not say which item it belongs to");
}

#[test]
fn json_objects_describe_every_outcome() {
    let script =
        r#"printf "$1"; printf e >&2; case $1 in three) exit 3;; nine) kill -9 $$;; late) exec sleep 1000;; esac"#;
    let map = |options: &[&str], input: &[u8]| {
        run(&[&["map", "--json", "--quiet"][..], options, &["sh", "-c", script, "sh"]].concat(), input)
    };
    // Long enough for the other commands, even on a slow machine.
    let result = map(&["--timeout", "10s", "--grace", "0"], b"a\\n\"\nthree\nnine\nlate\n\\377\\0\nx\xff\nn\0ul\n");
    assert_eq!(result.status, 4);
    let objects: Vec<serde_json::Value> =
        result.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let objects_without_time: Vec<serde_json::Value> = objects
        .iter()
        .map(|object| {
            let mut object = object.clone();
            let seconds = object.as_object_mut().unwrap().remove("seconds").unwrap().as_f64().unwrap();
            assert!((0.0..100.0).contains(&seconds));
            object
        })
        .collect();
    let expected = [
        r#"{"attempts":1,"index":1,"item":"a\\n\"","status":{"code":0},"stderr":"e","stdout":"a\n\""}"#,
        r#"{"attempts":1,"index":2,"item":"three","status":{"code":3},"stderr":"e","stdout":"three"}"#,
        r#"{"attempts":1,"index":3,"item":"nine","status":{"signal":9},"stderr":"e","stdout":"nine"}"#,
        r#"{"attempts":1,"index":4,"item":"late","status":{"timeout":10.0},"stderr":"e","stdout":"late"}"#,
        r#"{"attempts":1,"index":5,"item":"\\377\\0","status":{"code":0},"stderr":"e","stdout_base64":"/wA="}"#,
        r#"{"attempts":1,"index":6,"item_base64":"eP8=","status":{"code":0},"stderr":"e","stdout_base64":"eP8="}"#,
        r#"{"attempts":1,"index":7,"item":"n\u0000ul","status":{"not_started":"the item contains a NUL byte (byte 2), which no argument can contain; if NUL separates items, use -0"},"stderr":"","stdout":""}"#,
    ];
    let expected = expected.map(|object| serde_json::from_str::<serde_json::Value>(object).unwrap());
    assert_eq!(objects_without_time, expected);
    let several = map(&["-n", "2"], b"a\nb\n");
    assert!(several.text().starts_with(r#"{"index":1,"item":["a","b"],"status":{"code":0},"seconds":"#));
}

#[test]
fn large_json_objects_are_complete() {
    // With characters of two bytes, blocks end inside a character. The second output is binary because of its last byte.
    for (end, field) in [("", "stdout"), ("; printf '\\377'", "stdout_base64")] {
        let script = format!("printf x; yes é | head -c 300000{end} # $1");
        let result = run(&["map", "--json", "--shell", &script], b"1\n");
        let object: serde_json::Value = serde_json::from_str(result.text()).unwrap();
        let length = object[field].as_str().unwrap().len();
        assert_eq!(length, if end.is_empty() { 300_001 } else { 300_002_usize.div_ceil(3) * 4 });
    }
}

#[test]
fn a_failed_start_leaves_no_parents_of_the_results_directory() {
    let dir = TestDir::new();
    let path = dir.path(&format!("a/b/{}", "x".repeat(300)));
    let result = run(&["map", "--results", path.to_str().unwrap(), "echo", ":::", "1"], b"");
    assert_eq!(result.status, 255, "{}", result.stderr);
    assert!(!dir.path("a").exists());
}

#[test]
fn a_directory_whose_name_is_no_number_of_a_record_is_no_result() {
    let dir = TestDir::new();
    fs::create_dir_all(dir.path("results/+1")).unwrap();
    fs::write(dir.path("results/+1/item"), "a\n").unwrap();
    fs::write(dir.path("results/+1/status"), "0\n").unwrap();
    let result = run(&["map", "--resume", "--results", dir.path("results").to_str().unwrap(), "echo", ":::", "a"], b"");
    assert_eq!(result.text(), "a\n", "{}", result.stderr);
}

#[test]
fn a_results_directory_that_cannot_be_created_is_refused_with_a_way_out() {
    let dir = TestDir::new();
    dir.touch("file");
    std::os::unix::fs::symlink("nowhere", dir.path("link")).unwrap();
    for (name, why) in
        [("file/results", "Not a directory"), ("file", "a file has this name"), ("link", "a file has this name")]
    {
        let path = dir.path(name);
        for resume in [&[][..], &["--resume"]] {
            let records = [&["map", "--results", path.to_str().unwrap()], resume].concat();
            let ran = dir.path("ran");
            let result = run(&[&records[..], &["touch", ":::", ran.to_str().unwrap()]].concat(), b"");
            assert_eq!(result.status, 255, "{name} {resume:?}: {}", result.stderr);
            let end = format!(": {why}; name a directory that you may create and write\n");
            assert!(result.stderr.ends_with(&end), "{name} {resume:?}: {}", result.stderr);
            assert!(!ran.exists(), "{name} {resume:?}");
        }
    }
}

/// Resumes a run by its joblog or its results directory.
fn resume(records: &str, path: &str, input: &[u8]) -> RunOutput {
    run(&["map", "-c1", records, path, "--resume", "--shell", r#"echo "<$1>""#], input)
}

#[test]
fn a_resumed_run_goes_by_the_item_and_not_by_its_number() {
    for records in ["--joblog", "--results"] {
        let dir = TestDir::new();
        let path = dir.path("records");
        let path = path.to_str().unwrap();
        // The recorded command does not contain the item.
        assert_eq!(resume(records, path, b"a\nb\nb\n").text(), "<a>\n<b>\n<b>\n");
        let other = resume(records, path, b"x\ny\n");
        assert_eq!((other.status, other.text()), (0, "<x>\n<y>\n"), "{records}");
        let expected = "3 records of the earlier run belong to no item of this run, such as record 1, \"a\"";
        assert!(other.stderr.contains(expected), "{}", other.stderr);
        assert!(other.stderr.contains("recorded with free numbers: item 1 with 4"), "{}", other.stderr);
        // In another order, with one more of an item that was there before.
        let grown = resume(records, path, b"y\nb\nb\nz\nb\na\nx\n");
        assert_eq!((grown.status, grown.text()), (0, "<z>\n<b>\n"), "{records}");
        assert!(!grown.stderr.contains("belong to no item"), "{}", grown.stderr);
        let complete = resume(records, path, b"y\nb\nb\nz\nb\na\nx\n");
        assert_eq!((complete.text(), complete.stderr.as_str()), ("", ""), "{records}");
    }
}

#[test]
fn a_moved_item_never_overwrites_the_result_of_another() {
    let dir = TestDir::new();
    let path = dir.path("results");
    let path = path.to_str().unwrap();
    resume("--results", path, b"a\nb\n");
    resume("--results", path, b"new\na\nb\n");
    let read = |n: usize, name: &str| fs::read_to_string(dir.path(&format!("results/{n}/{name}"))).unwrap();
    let all = |name: &str| [1, 2, 3].map(|n| read(n, name)).concat();
    assert_eq!((all("item").as_str(), all("stdout").as_str()), ("a\nb\nnew\n", "<a>\n<b>\n<new>\n"));
    // With an empty joblog, new items get numbers that are free in the directory.
    let log = dir.path("log");
    let both = |options: &[&str], command: &[&str]| {
        let records = ["map", "--joblog", log.to_str().unwrap()];
        run(&[&records, options, command, &[":::", "a", "c"]].concat(), b"")
    };
    let result = both(&["--results", path, "--resume"], &["echo"]);
    assert_eq!((result.status, result.text()), (0, "a\nc\n"));
    assert_eq!((read(2, "item").as_str(), read(4, "item").as_str()), ("b\n", "c\n"));
    // The numbers of another joblog fail only their items.
    fs::remove_file(&log).unwrap();
    let command = ["echo {}; [ {} = a ]"];
    both(&[], &command);
    let result = both(&["--results", path, "--resume-failed"], &command);
    assert_eq!((result.status, result.text()), (1, "c\n"));
    assert!(result.stderr.contains("results/2: it holds the result of another item, \"b\""), "{}", result.stderr);
}

/// Removes the lines of the joblog whose number this is.
fn remove_record(path: &str, number: &str) {
    let text = fs::read_to_string(path).unwrap();
    let kept = text.lines().filter(|line| line.split('\t').next() != Some(number));
    fs::write(path, kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn of_equal_items_the_one_that_did_not_finish_is_run() {
    let dir = TestDir::new();
    let script = dir.path("script");
    fs::write(&script, "echo $CORDIAL_INDEX $1").unwrap();
    // The command names its number, or a program reads it from its environment.
    for command in [
        &["echo $CORDIAL_INDEX {}"][..],
        &["echo", "{#}", "{}"],
        &["sh", "-c", "echo $CORDIAL_INDEX $1", "sh"],
        &["sh", script.to_str().unwrap()],
    ] {
        for missing in ["1", "2", "3"] {
            let log = dir.path("log");
            let path = log.to_str().unwrap();
            let map = |options: &[&str]| {
                run(&[&["map", "-c1", "--joblog", path], options, command, &[":::", "x", "x", "x"]].concat(), b"")
            };
            assert_eq!(map(&[]).text(), "1 x\n2 x\n3 x\n", "{command:?}");
            remove_record(path, missing);
            let resumed = map(&["--resume"]);
            assert_eq!((resumed.status, resumed.stderr.as_str()), (0, ""), "{command:?}");
            assert_eq!(resumed.text(), format!("{missing} x\n"), "{command:?}");
            assert_eq!(map(&["--resume"]).stdout, b"", "{command:?}");
            fs::remove_file(&log).unwrap();
        }
    }
    // Without a command of its own, the item is the command.
    let path = dir.path("lines");
    let path = path.to_str().unwrap();
    let map = |options: &[&str]| {
        run(&[&["map", "-c1", "--joblog", path], options].concat(), b"echo $CORDIAL_INDEX\necho $CORDIAL_INDEX\n")
    };
    assert_eq!(map(&[]).text(), "1\n2\n");
    remove_record(path, "1");
    assert_eq!(map(&["--resume"]).text(), "1\n");
}

#[test]
fn a_status_that_was_written_only_in_part_is_ignored() {
    let dir = TestDir::new();
    let results = dir.path("results");
    let path = results.to_str().unwrap();
    let map = |options: &[&str]| run(&[&["map", "--results", path], options, &["echo", ":::", "a"]].concat(), b"");
    map(&[]);
    for part in ["", "0"] {
        fs::write(results.join("1/status"), part).unwrap();
        let resumed = map(&["--resume"]);
        assert_eq!((resumed.status, resumed.text(), resumed.stderr.as_str()), (0, "a\n", ""));
        assert_eq!(fs::read_to_string(results.join("1/status")).unwrap(), "0\n");
    }
    assert_eq!(fs::read_dir(results.join("1")).unwrap().count(), 4);
}

#[test]
fn a_result_without_a_line_in_the_joblog_keeps_its_number() {
    let dir = TestDir::new();
    let (log, results) = (dir.path("log"), dir.path("results"));
    let path = log.to_str().unwrap();
    let map = |options: &[&str], items: &[&str]| {
        let records = ["map", "-c1", "--joblog", path, "--results", results.to_str().unwrap()];
        run(&[&records, options, &["echo", ":::"], items].concat(), b"")
    };
    for n_finished in [0, 1] {
        map(&[], &["a", "b"]);
        // The run was killed after it wrote the results.
        (n_finished + 1..=2).for_each(|number| remove_record(path, &number.to_string()));
        let resumed = map(&["--resume"], &["a", "new"]);
        let expected = if n_finished == 0 { "a\nnew\n" } else { "new\n" };
        assert_eq!((resumed.status, resumed.text()), (0, expected), "{}", resumed.stderr);
        let item = |number: &str| fs::read_to_string(results.join(number).join("item")).unwrap();
        assert_eq!((item("1"), item("2"), item("3")), ("a\n".into(), "b\n".into(), "new\n".into()));
        assert_eq!(map(&["--resume"], &["a", "new"]).stdout, b"");
        // The same list again.
        assert_eq!(map(&["--resume"], &["a", "b", "new"]).text(), "b\n");
        fs::remove_file(&log).unwrap();
        fs::remove_dir_all(&results).unwrap();
    }
}

#[test]
fn a_command_with_a_nul_byte_can_be_resumed() {
    let dir = TestDir::new();
    let path = dir.path("log");
    let path = path.to_str().unwrap();
    for command in [&["echo"][..], &["echo [{}]"], &[]] {
        let map = |options: &[&str]| {
            run(&[&["map", "-c1", "--joblog", path], options, command].concat(), b"true a\0b\ntrue\n")
        };
        assert_eq!(map(&[]).status, 1, "{command:?}");
        let resumed = map(&["--resume"]);
        assert_eq!((resumed.status, resumed.stdout.len()), (0, 0), "{command:?}: {}", resumed.stderr);
        assert!(resumed.stderr.contains("1 item that failed in an earlier run was skipped"), "{}", resumed.stderr);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn items_are_recorded_exactly_and_on_one_line() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let path = log.to_str().unwrap();
    let items = b"a b\0c\td\0e\nf\0\xff\0\0'\\\0# x\0";
    // The command has a line break as well.
    let map = || run(&["map", "-0", "-c1", "--resume", "--joblog", path, "--shell", "printf \\\n%s \"$1\""], items);
    assert_eq!(map().stdout, b"a bc\tde\nf\xff'\\# x");
    let text = fs::read(&log).unwrap();
    let lines = text.split(|&byte| byte == b'\n').skip(1);
    let items: Vec<&[u8]> = lines.filter_map(|line| line.rsplit(|&byte| byte == b'\t').next()).collect();
    let expected = [&b"# 'a b'"[..], br"# $'c\td'", br"# $'e\nf'", b"# \xff", b"# ''", br"# ''\''\'", b"# '# x'", b""];
    assert_eq!(items, expected);
    let again = map();
    assert_eq!((again.status, again.stdout.as_slice(), again.stderr.as_str()), (0, &b""[..], ""));
}

#[test]
fn records_are_in_the_order_of_the_ends() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let script = r##"while [ "$1" -gt 1 ] && ! grep -q "# $(($1 - 1))$" "$2"; do sleep 0.01; done"##;
    let args = ["map", "-c8", "--joblog", log.to_str().unwrap(), "sh", "-c", script, "sh", "{}", log.to_str().unwrap()];
    // Each item ends when it sees the record of the one before.
    assert_eq!(run(&args, b"8\n7\n6\n5\n4\n3\n2\n1\n").status, 0);
    let text = fs::read_to_string(log).unwrap();
    let items: Vec<&str> = text.lines().skip(1).filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(items.concat(), "12345678");
}

#[test]
fn names_that_mean_something_else_in_gnu_parallel_are_refused() {
    let dir = TestDir::new();
    for (option, name, text) in [
        ("--joblog", "-", "--joblog - would mix the joblog with the output"),
        ("--joblog", "+log", "--joblog +FILE is not supported: --joblog log --resume continues"),
        ("--results", "out.csv", "--results out.csv would be one file with GNU parallel"),
        ("--results", "out/{}.txt", "--results out/{}.txt has a placeholder"),
        ("--results", "out/{1}", "--results out/{1} has a placeholder"),
    ] {
        for more in [&[][..], &["--resume"], &["--dry-run"]] {
            let args = [&["map", option, name][..], more, &["--workdir", dir.text(), "echo", ":::", "a"]].concat();
            let result = run(&args, b"");
            assert_eq!((result.status, result.stdout.len()), (255, 0), "{args:?}");
            assert!(result.stderr.contains(text), "{args:?}: {}", result.stderr);
        }
    }
    assert_eq!(fs::read_dir(dir.text()).unwrap().count(), 0);
}

#[test]
fn a_dry_run_refuses_the_records_that_the_run_would_refuse() {
    let dir = TestDir::new();
    let (log, results) = (dir.path("log"), dir.path("results"));
    for record in [["--joblog", log.to_str().unwrap()], ["--results", results.to_str().unwrap()]] {
        let run_again = |more: &[&str]| run(&[&["map"], &record[..], more, &["echo", ":::", "a"]].concat(), b"");
        assert_eq!(run_again(&[]).status, 0);
        let (again, dry) = (run_again(&[]), run_again(&["--dry-run"]));
        assert_eq!((dry.status, dry.text(), &dry.stderr), (255, "", &again.stderr), "{record:?}");
        assert_eq!(run_again(&["--dry-run", "--resume"]).status, 0, "{record:?}");
    }
}

#[test]
fn records_that_do_not_name_their_items_are_refused() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";
    let old = format!("{header}1\t:\t1.0\t0.1\t0\t2\t0\t0\techo a\n");
    fs::write(&log, &old).unwrap();
    let result = run(&["map", "--joblog", log.to_str().unwrap(), "--resume", "echo", ":::", "a"], b"");
    assert_eq!((result.status, result.stdout.len()), (255, 0));
    assert!(result.stderr.contains("has no column Item"), "{}", result.stderr);
    assert_eq!(fs::read_to_string(&log).unwrap(), old);
    let results = dir.path("results");
    fs::create_dir_all(results.join("1")).unwrap();
    fs::write(results.join("1/status"), "0\n").unwrap();
    let new_log = dir.path("new");
    for more in [&[][..], &["--dry-run", "--joblog", new_log.to_str().unwrap()]] {
        let args = ["map", "--results", results.to_str().unwrap(), "--resume", "echo", ":::", "a"];
        let result = run(&[&args[..1], more, &args[1..]].concat(), b"");
        assert_eq!((result.status, result.stdout.len()), (255, 0));
        assert!(result.stderr.contains("does not say which item it belongs to"), "{}", result.stderr);
    }
}

#[test]
fn two_runs_with_the_same_records_are_refused() {
    for records in ["--joblog", "--results"] {
        let dir = TestDir::new();
        let (path, go) = (dir.path("records"), dir.path("go"));
        let (path, go) = (path.to_str().unwrap(), go.to_str().unwrap());
        let script = r#"touch "$1.begun"; while [ ! -e "$1" ]; do sleep 0.01; done"#;
        let first = ["map", records, path, "sh", "-c", script, "sh", go, ":::", "a"];
        let first = cordial().args(first).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        dir.wait_for("go.begun");
        let second = run(&["map", records, path, "--resume", "sh", "-c", script, "sh", go, ":::", "a"], b"");
        assert_eq!((second.status, second.stdout.len()), (255, 0));
        assert!(second.stderr.contains("is used by another run of cordial"), "{}", second.stderr);
        dir.touch("go");
        assert_eq!(finish(first).status, 0);
    }
}

#[test]
fn gnu_parallel_reads_the_joblog() {
    if !has_parallel() {
        return;
    }
    let dir = TestDir::new();
    let path = dir.path("log");
    let path = path.to_str().unwrap();
    let script = "echo ran $1; [ $1 != 2 ]";
    run(&["map", "-c1", "--joblog", path, "sh", "-c", script, "sh", ":::", "1", "2", "3"], b"");
    let parallel = |args: &[&str]| {
        let mut command = std::process::Command::new("parallel");
        command.args(["--will-cite", "-j1", "--joblog", path]).args(args).stdin(Stdio::null());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(parallel(&["--resume", "echo", ":::", "1", "2", "3", "4"]), "4\n");
    // GNU parallel runs the command of the line, in which the item is a comment.
    assert_eq!(parallel(&["--retry-failed"]), "ran 2\n");
}

/// Returns what a script prints.
fn printed_by(script: &str) -> String {
    String::from_utf8(shell(script).stdout).unwrap()
}

#[test]
fn every_shell_reads_the_command_of_the_joblog() {
    let dir = TestDir::new();
    let path = dir.path("log");
    let path = path.to_str().unwrap();
    let command = ["--joblog", path, "sh", "-c", "printf '<%s>' \"$1\"; exit 1", "sh"];
    let items = b"a\tb\0it's\0c\nd\0\x1b[1m\0";
    let stdout = "<a\tb><it's><c\nd><\x1b[1m>";
    assert_eq!(run(&[&["map", "-0", "-c1"], &command[..]].concat(), items).text(), stdout);
    let shells = ["dash", "bash", "zsh", "ksh"];
    let is_installed = |shell: &&str| std::process::Command::new(shell).args(["-c", ":"]).status().is_ok();
    for shell in shells.into_iter().filter(is_installed) {
        let commands = "tail -n +2 \"$1\" | cut -f 9- | tr '\\0' '\\n'";
        let printed = printed_by(&format!("set -- \"{path}\"; ({commands}) | {shell}"));
        assert_eq!(printed, stdout, "{shell}");
        if has_parallel() {
            let again = format!(
                "export PARALLEL_SHELL={shell}; cp \"{path}\" \"{path}.{shell}\"; parallel --will-cite -j1 --joblog \"{path}.{shell}\" --retry-failed"
            );
            assert_eq!(printed_by(&again), stdout, "{shell}");
        }
    }
}
