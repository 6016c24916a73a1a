//! The limit on the time of an item, and what is left behind.

use crate::program::{Place, run, shell};

#[test]
fn an_item_over_its_limit_is_killed_with_its_children_and_the_others_go_on() {
    let place = Place::new();
    // Only the item named `family` waits for ever.
    let script = format!(r#"echo before $1; [ $1 != family ] || {{ {}; }}"#, Place::FAMILY);
    // Long enough that the slowest machine has started everything, since the family has to leave its pids; and longer than the limit
    // that the library would set.
    let ran = run(
        &["map", "-c", "1", "--timeout", "6s", "--", "sh", "-c", &script, "sh", "{}", place.text()],
        b"a\nfamily\nb\n",
    );
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "before a\nbefore family\nbefore b\n");
    assert!(ran.stderr.starts_with("cordial: item 2 \"family\" failed: sh -c "), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(": took longer than 6s (--timeout) and was ended\ncordial: 1 of 3 items failed:\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.status, 1);
    place.wait_until_family_is_gone("family");
}

#[test]
fn what_is_left_in_the_group_ends_with_its_item_and_does_not_hold_it_up() {
    let place = Place::new();
    // The child holds both outputs open, and would for a long time.
    let script = r#"sleep 1000 & echo $$ $! > "$2/$1"; echo $1"#;
    let ran = run(&["map", "-c", "1", "--", "sh", "-c", script, "sh", "{}", place.text()], b"a\nb\n");
    assert_eq!((ran.status, ran.stdout.as_slice(), ran.stderr.as_str()), (0, &b"a\nb\n"[..], ""));
    place.wait_until_family_is_gone("a");
    place.wait_until_family_is_gone("b");
}

#[test]
fn what_is_asked_to_stop_has_the_grace_to_do_so() {
    for (grace, stdout) in [("1m", "asked\n"), ("0", "")] {
        // The trap runs only when the shell is not waiting for a child in the foreground.
        let script = "trap 'echo asked; exit 0' TERM; while :; do sleep 0.01; done";
        let ran = run(&["map", "--timeout", "0.5", "--grace", grace, "--", "sh", "-c", script, "sh"], b"a\n");
        assert_eq!((ran.status, String::from_utf8(ran.stdout).unwrap().as_str()), (1, stdout), "{grace}");
        assert!(ran.stderr.contains("took longer than 500ms (--timeout) and was ended"), "{}", ran.stderr);
    }
}

#[test]
fn no_more_start_than_the_system_has_room_for() {
    // 40 files are too few for 30 commands at once, and enough for some.
    let ran = shell("ulimit -n 40; seq 60 | \"$0\" map -c 30 -- sh -c 'sleep 0.02; echo $1' sh");
    let expected: String = (1..=60).map(|n| format!("{n}\n")).collect();
    assert_eq!((ran.status, String::from_utf8(ran.stdout).unwrap(), ran.stderr), (0, expected, String::new()));
}

#[test]
fn more_arguments_than_the_system_takes_fail_their_command_only() {
    let ran = shell(r#"seq 300001 | "$0" map -c1 -n 300000 sh -c 'echo $#' sh"#);
    assert_eq!((ran.status, ran.stdout.as_slice()), (1, &b"1\n"[..]));
    assert!(
        ran.stderr
            .contains("cannot be started: Argument list too long; its arguments and the environment are together"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("give it fewer items (-n)"), "{}", ran.stderr);
}
