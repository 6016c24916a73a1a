//! The limit on the time of an item, and what is left behind.

use crate::program::{Place, run};

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
    assert!(ran.stderr.ends_with(": took longer than 6s and was killed with its children\n"), "{}", ran.stderr);
    assert_eq!((ran.status, ran.stderr.lines().count()), (1, 1));
    place.wait_until_family_is_gone("family");
}

#[test]
fn a_background_child_does_not_hold_up_its_item() {
    // It would hold up the run for half an hour; it ends when its reader is gone.
    let script =
        "{ n=0; while echo tick && [ $n -lt 18000 ]; do sleep 0.1; n=$((n + 1)); done; } 2>/dev/null & echo $1";
    let ran = run(&["map", "--", "sh", "-c", script, "sh"], b"a\nb\n");
    let output = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(output.replace("tick\n", ""), "a\nb\n");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}
