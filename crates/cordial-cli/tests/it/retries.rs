//! Failures that are retried, and failures that stop the run.

use std::fs;

use crate::harness::{TestDir, run};

#[test]
fn a_failed_item_is_retried_and_its_last_attempt_is_printed() {
    let dir = TestDir::new();
    let log = dir.path("log");
    // The item is the number of the attempt that succeeds.
    let script = r#"echo $CORDIAL_ATTEMPT of $1; echo $CORDIAL_ATTEMPT >&2; [ $CORDIAL_ATTEMPT -ge $1 ]"#;
    let args = ["map", "--retries", "2", "--joblog", log.to_str().unwrap(), "sh", "-c", script, "sh"];
    let result = run(&args, b"1\n3\n4\n2\n");
    assert_eq!(String::from_utf8(result.stdout).unwrap(), "1 of 1\n3 of 3\n3 of 4\n2 of 2\n");
    assert_eq!(result.status, 1);
    assert!(result.stderr.contains("item 3 \"4\" failed 3 times: sh -c"), "{}", result.stderr);
    let errors: String = result.stderr.lines().filter(|line| line.len() == 1).collect();
    assert_eq!(errors, "1332");
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 5);
}

/// The second attempt waits for the only slot when the run is stopped.
#[test]
fn an_item_whose_next_attempt_does_not_start_has_failed() {
    let dir = TestDir::new();
    let script = "echo $1; [ $1 = bad ] && exit 3; sleep 1";
    // On a busy machine, the second attempt may get the slot before the other item is ready for it.
    let (log, result) = (0..20)
        .map(|n| {
            let log = dir.path(&format!("log{n}"));
            let args = ["map", "-c1", "--retries", "1", "--halt", "now,success=1", "--joblog", log.to_str().unwrap()];
            let result = run(&[&args[..], &["sh", "-c", script, "sh"]].concat(), b"bad\ngood\n");
            (log, result)
        })
        .find(|(_, result)| !result.stderr.contains("failed 2 times"))
        .expect("the other item is ready before the second attempt");
    assert_eq!(result.text(), "bad\ngood\n");
    assert!(result.stderr.contains("item 1 \"bad\" failed: sh -c"), "{}", result.stderr);
    let summary = "stopped by --halt: 2 items finished (1 failed), 0 stopped early, 0 not started\n";
    assert!(result.stderr.ends_with(summary), "{}", result.stderr);
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 3);
}

#[test]
fn every_attempt_has_the_full_timeout() {
    let dir = TestDir::new();
    let script = r#"[ $CORDIAL_ATTEMPT = 2 ] || exec sleep 1000; echo second"#;
    // Long enough for the second attempt, even on a slow machine.
    let result =
        run(&["map", "--retries", "1", "--timeout", "8s", "--grace", "0", "sh", "-c", script, dir.text()], b"a\n");
    assert_eq!((result.status, result.stdout.as_slice(), result.stderr.as_str()), (0, &b"second\n"[..], ""));
}

#[test]
fn fail_fast_stops_the_run_and_returns_the_status_of_the_item() {
    let dir = TestDir::new();
    let script = format!(
        r#"case $1 in long) {};; bad) while [ ! -e "$2/long" ]; do sleep 0.01; done; exit 7;; esac; touch "$2/$1""#,
        TestDir::PARENT_AND_CHILD
    );
    let args = ["map", "--fail-fast", "-c2", "sh", "-c", &script, "sh", "{}", dir.text()];
    let result = run(&args, b"long\nbad\nnever\nnever\n");
    assert_eq!(result.status, 7);
    assert!(result.stderr.contains("item 1 \"long\" was stopped before it finished"), "{}", result.stderr);
    let last = result.stderr.lines().last().unwrap();
    assert!(last.contains("stopped by failures: 1 item finished (1 failed), 1 stopped early, 2 not started"), "{last}");
    dir.wait_until_processes_exit("long");
    assert!(!dir.path("never").exists());
}

#[test]
fn fail_fast_starts_no_command_after_the_failure() {
    for (script, status) in [("exit $1", 3), ("kill -9 $$", 137), ("exec /no/such", 127), ("exit 255", 255)] {
        let dir = TestDir::new();
        let script = format!(r#"touch "$2/$1"; {script}"#);
        let args = ["map", "--fail-fast", "-c1", "sh", "-c", &script, "sh", "{}", dir.text()];
        let result = run(&args, b"3\n4\n5\n");
        assert_eq!(result.status, status);
        assert!(dir.path("3").exists() && !dir.path("4").exists());
    }
}

#[test]
fn halt_counts_failures_and_percentages() {
    let halt = |policy: &str, input: &[u8]| {
        let result = run(&["map", "-c1", "--halt", policy, "sh", "-c", "echo $1; exit $1", "sh"], input);
        (result.status, String::from_utf8(result.stdout).unwrap().replace('\n', ""))
    };
    let input = b"0\n1\n0\n1\n0\n1\n0\n0\n0\n0\n";
    assert_eq!(halt("1", input), (1, "01".into()));
    assert_eq!(halt("2", input), (1, "01".into()));
    assert_eq!(halt("30%", input), (3, "010101".into()));
    assert_eq!(halt("soon,fail=2", input), (2, "0101".into()));
    assert_eq!(halt("now,fail=1", input), (1, "01".into()));
    assert_eq!(halt("soon,fail=30%", input), (3, "010101".into()));
    assert_eq!(halt("soon,fail=4", input), (3, "0101010000".into()));
    assert_eq!(halt("never", input), (3, "0101010000".into()));
}

#[test]
fn halt_soon_lets_running_commands_finish() {
    let dir = TestDir::new();
    let script = r#"[ $1 != bad ] || { while [ ! -e "$2/long" ]; do sleep 0.01; done; exit 1; }; touch "$2/$1"; sleep 0.3; echo $1"#;
    let args = ["map", "--halt", "soon,fail=1", "-c2", "sh", "-c", script, "sh", "{}", dir.text()];
    let result = run(&args, b"long\nbad\nnever\n");
    assert_eq!((result.status, result.stdout.as_slice()), (1, &b"long\n"[..]));
}

#[test]
fn halt_counts_successes_and_ends() {
    let halt = |policy: &str| {
        let result = run(&["map", "-c1", "--halt", policy, "sh", "-c", "echo $1; exit $1", "sh"], b"3\n0\n4\n0\n5\n");
        let headline = result.stderr.lines().find(|line| line.starts_with("cordial: stopped by ")).unwrap_or_default();
        let headline = headline.trim_end_matches(':').to_owned();
        (result.status, String::from_utf8(result.stdout).unwrap().replace('\n', ""), headline)
    };
    let stopped = |counts: &str| format!("cordial: stopped by --halt: {counts} not started");
    for (policy, status, printed, counts) in [
        ("now,success=1", 0, "30", "2 items finished (1 failed), 0 stopped early, 3"),
        ("-1", 0, "30", "2 items finished (1 failed), 0 stopped early, 3"),
        ("soon,success=2", 0, "3040", "4 items finished (2 failed), 0 stopped early, 1"),
        ("now,success=40%", 0, "3040", "4 items finished (2 failed), 0 stopped early, 1"),
        // The status of the item, as in GNU parallel.
        ("now,done=1", 3, "3", "1 item finished (1 failed), 0 stopped early, 4"),
        ("soon,done=3", 2, "304", "3 items finished (2 failed), 0 stopped early, 2"),
        ("now,done=80%", 2, "3040", "4 items finished (2 failed), 0 stopped early, 1"),
    ] {
        assert_eq!(halt(policy), (status, printed.into(), stopped(counts)), "{policy}");
    }
    let (status, printed, headline) = halt("soon,fail=1");
    assert_eq!((status, printed.as_str()), (3, "3"));
    assert!(headline.starts_with("cordial: stopped by failures: 1 item finished"), "{headline}");
    // Too few have succeeded.
    assert_eq!(halt("now,success=3").0, 3);
    // The last item has halted the run, so nothing was stopped.
    let result = run(&["map", "--halt", "now,success=2", "echo", ":::", "a", "b"], b"");
    assert_eq!((result.status, result.stdout.as_slice(), result.stderr.as_str()), (0, &b"a\nb\n"[..], ""));
}

#[test]
fn halt_now_stops_the_others_when_one_has_succeeded() {
    let dir = TestDir::new();
    let script = format!(
        r#"case $1 in long) {};; *) while [ ! -e "$2/long" ]; do sleep 0.01; done; echo $1;; esac"#,
        TestDir::PARENT_AND_CHILD
    );
    let args = ["map", "--halt", "now,success=1", "-c2", "sh", "-c", &script, "sh", "{}", dir.text()];
    let result = run(&args, b"long\nshort\n");
    assert_eq!((result.status, result.stdout.as_slice()), (0, &b"short\n"[..]));
    assert!(result.stderr.contains("item 1 \"long\" was stopped before it finished"), "{}", result.stderr);
    dir.wait_until_processes_exit("long");
}

#[test]
fn an_attempt_does_not_continue_the_line_of_the_one_before() {
    for order in [&[][..], &["-k"]] {
        let args =
            ["map", "--line-buffer", "--tag", "--retries", "2", "--shell", "printf abc; [ {} = ok ]", ":::", "x"];
        let result = run(&[&args[..1], order, &args[1..]].concat(), b"");
        assert_eq!((result.status, result.text()), (1, "x\tabc\nx\tabc\nx\tabc"), "{order:?}");
    }
    let result = run(&["map", "--line-buffer", "--retries", "2", "--shell", "printf abc", ":::", "x"], b"");
    assert_eq!((result.status, result.text()), (0, "abc"));
}
