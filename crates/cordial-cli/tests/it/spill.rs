//! Outputs that are larger than memory should hold, and no place to put them.

use crate::program::shell;

/// The largest file that may be written is so many blocks of 512 bytes: a file system that is full after them.
fn with_a_full_disk(blocks: u32, script: &str) -> crate::program::Ran {
    // A write beyond the limit also sends a signal, which must not be what ends us.
    shell(&format!("trap '' XFSZ; ulimit -f {blocks}; {script}"))
}

#[test]
fn a_full_disk_fails_the_item_and_the_rest_goes_on() {
    let ran = with_a_full_disk(
        400,
        r#"printf '%s\n' small large small | "$0" map -c2 --shell '[ {} = small ] || yes | head -c 1000000; echo {}' | tail -c 1000"#,
    );
    let output = String::from_utf8(ran.stdout).unwrap();
    assert!(output.ends_with("small\n"), "{output}");
    assert!(ran.stderr.contains("item 2 \"large\" failed: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("its output cannot be kept in a file in "), "{}", ran.stderr);
    assert!(ran.stderr.contains("set TMPDIR to a directory that has room"), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 of 3 items failed"), "{}", ran.stderr);
}

#[test]
fn a_disk_with_room_holds_it_all() {
    let ran = shell(
        r#"seq 4 | "$0" map --shell 'yes {} | head -c 1000000' | cksum; for n in 1 2 3 4; do yes $n | head -c 1000000; done | cksum"#,
    );
    let output = String::from_utf8(ran.stdout).unwrap();
    let (ours, expected) = output.trim_end().split_once('\n').unwrap();
    assert_eq!(ours, expected);
}

#[test]
fn live_lines_need_no_place() {
    let ran = with_a_full_disk(1, r#"seq 2 | "$0" map --lb --shell 'yes {} | head -c 1000000' | wc -c"#);
    assert_eq!((ran.stdout.trim_ascii(), ran.stderr.as_str()), (&b"2000000"[..], ""));
}
