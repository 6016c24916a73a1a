//! Failures that are tried again, and failures that end the run.

use std::fs;

use crate::program::{Place, run};

#[test]
fn an_item_is_tried_again_and_the_last_attempt_is_shown() {
    let place = Place::new();
    let log = place.path("log");
    // Succeeds at the attempt that is its item.
    let script = r#"echo $CORDIAL_ATTEMPT of $1; echo $CORDIAL_ATTEMPT >&2; [ $CORDIAL_ATTEMPT -ge $1 ]"#;
    let args = ["map", "--retries", "2", "--joblog", log.to_str().unwrap(), "sh", "-c", script, "sh"];
    let ran = run(&args, b"1\n3\n4\n2\n");
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "1 of 1\n3 of 3\n3 of 4\n2 of 2\n");
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("item 3 \"4\" failed 3 times: sh -c"), "{}", ran.stderr);
    let errors: String = ran.stderr.lines().filter(|line| line.len() == 1).collect();
    assert_eq!(errors, "1332");
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 5);
}

#[test]
fn every_attempt_has_the_whole_limit() {
    let place = Place::new();
    let script = r#"[ $CORDIAL_ATTEMPT = 2 ] || exec sleep 1000; echo second"#;
    let ran =
        run(&["map", "--retries", "1", "--timeout", "2s", "--grace", "0", "sh", "-c", script, place.text()], b"a\n");
    assert_eq!((ran.status, ran.stdout.as_slice(), ran.stderr.as_str()), (0, &b"second\n"[..], ""));
}

#[test]
fn the_first_failure_can_end_the_run_and_gives_its_status() {
    let place = Place::new();
    let script = format!(
        r#"case $1 in long) {};; bad) while [ ! -e "$2/long" ]; do sleep 0.01; done; exit 7;; esac; touch "$2/$1""#,
        Place::FAMILY
    );
    let args = ["map", "--fail-fast", "-c2", "sh", "-c", &script, "sh", "{}", place.text()];
    let ran = run(&args, b"long\nbad\nnever\nnever\n");
    assert_eq!(ran.status, 7);
    assert!(ran.stderr.contains("item 1 \"long\" was ended before it was done"), "{}", ran.stderr);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.contains("stopped by failures: 1 item is done (1 failed), 1 ended early, 2 not started"), "{last}");
    place.wait_until_family_is_gone("long");
    assert!(!place.path("never").exists());
}

#[test]
fn with_one_at_a_time_nothing_starts_after_the_failure() {
    for (script, status) in [("exit $1", 3), ("kill -9 $$", 137), ("exec /no/such", 127), ("exit 255", 255)] {
        let place = Place::new();
        let script = format!(r#"touch "$2/$1"; {script}"#);
        let args = ["map", "--fail-fast", "-c1", "sh", "-c", &script, "sh", "{}", place.text()];
        let ran = run(&args, b"3\n4\n5\n");
        assert_eq!(ran.status, status);
        assert!(place.path("3").exists() && !place.path("4").exists());
    }
}

#[test]
fn so_many_failures_or_so_large_a_share_end_the_run() {
    let halt = |policy: &str, input: &[u8]| {
        let ran = run(&["map", "-c1", "--halt", policy, "sh", "-c", "echo $1; exit $1", "sh"], input);
        (ran.status, String::from_utf8(ran.stdout).unwrap().replace('\n', ""))
    };
    let input = b"0\n1\n0\n1\n0\n1\n0\n0\n0\n0\n";
    assert_eq!(halt("soon,fail=2", input), (2, "0101".into()));
    assert_eq!(halt("now,fail=1", input), (1, "01".into()));
    assert_eq!(halt("soon,fail=30%", input), (3, "010101".into()));
    assert_eq!(halt("soon,fail=4", input), (3, "0101010000".into()));
    assert_eq!(halt("never", input), (3, "0101010000".into()));
}

#[test]
fn soon_lets_what_runs_end_by_itself() {
    let place = Place::new();
    let script = r#"[ $1 != bad ] || { while [ ! -e "$2/long" ]; do sleep 0.01; done; exit 1; }; touch "$2/$1"; sleep 0.3; echo $1"#;
    let args = ["map", "--halt", "soon,fail=1", "-c2", "sh", "-c", script, "sh", "{}", place.text()];
    let ran = run(&args, b"long\nbad\nnever\n");
    assert_eq!((ran.status, ran.stdout.as_slice()), (1, &b"long\n"[..]));
}
