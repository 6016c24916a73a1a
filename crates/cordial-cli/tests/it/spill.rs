//! Outputs that move from memory to temporary files, and full disks.

use crate::harness::{TestDir, shell};

/// Runs a script in which no file can grow beyond this many blocks of 512 bytes, as if the disk
/// were full.
fn with_a_full_disk(blocks: u32, script: &str) -> crate::harness::RunOutput {
    // A write beyond the limit also sends SIGXFSZ, which would kill the program.
    shell(&format!("trap '' XFSZ; ulimit -f {blocks}; {script}"))
}

#[test]
fn a_full_disk_fails_only_its_item() {
    let result = with_a_full_disk(
        400,
        r#"printf '%s\n' small large small | "$0" map -c2 --shell '[ {} = small ] || yes | head -c 1000000; echo {}' | tail -c 1000"#,
    );
    let output = String::from_utf8(result.stdout).unwrap();
    assert!(output.ends_with("small\n"), "{output}");
    assert!(result.stderr.contains("item 2 \"large\" failed: "), "{}", result.stderr);
    assert!(result.stderr.contains("cannot read its output, or store it in a temporary file in "), "{}", result.stderr);
    assert!(result.stderr.contains("File too large; allow larger files (ulimit -f)"), "{}", result.stderr);
    assert!(result.stderr.contains("1 of 3 items failed"), "{}", result.stderr);
}

#[test]
fn large_outputs_are_complete() {
    let result = shell(
        r#"seq 4 | "$0" map --shell 'yes {} | head -c 1000000' | cksum; for n in 1 2 3 4; do yes $n | head -c 1000000; done | cksum"#,
    );
    let output = String::from_utf8(result.stdout).unwrap();
    let (ours, expected) = output.trim_end().split_once('\n').unwrap();
    assert_eq!(ours, expected);
}

#[test]
fn line_buffer_needs_no_disk_space() {
    let result = with_a_full_disk(1, r#"seq 2 | "$0" map --lb --shell 'yes {} | head -c 1000000' | wc -c"#);
    assert_eq!((result.stdout.trim_ascii(), result.stderr.as_str()), (&b"2000000"[..], ""));
}

/// Without a handler, the signal of a file that is too large would kill the program. Commands get the signal.
#[test]
fn a_limit_on_the_size_of_files_fails_only_its_item() {
    let result = shell("ulimit -f 100; \"$0\" map -c1 'head -c {} /dev/zero' ::: 20000000 5");
    assert_eq!(result.status, 1, "{}", result.stderr);
    assert!(result.stderr.ends_with("cordial: 1 of 2 items failed\n"), "{}", result.stderr);
    assert!(result.stderr.contains("File too large; allow larger files (ulimit -f)\n"), "{}", result.stderr);
    let dir = TestDir::new();
    // The signal may be ignored where the test runs: Python ignores it, and its children inherit that.
    let run = "ulimit -f 100; env --default-signal=XFSZ \"$0\" map";
    let script = format!("{run} 'head -c {{}} /dev/zero > {}/x' ::: 20000000", dir.text());
    let result = shell(&script);
    // The status of a shell whose command was killed by SIGXFSZ.
    assert!(result.stderr.contains(": exited with status 153\n"), "{}", result.stderr);
}

/// The joblog is the first file that is written.
#[test]
fn a_joblog_that_no_byte_fits_into_is_reported() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let run = "ulimit -f 0; env --default-signal=XFSZ \"$0\" map --joblog";
    let result = shell(&format!("({run} {} echo ::: a; echo $? >&2) | cat", log.display()));
    let expected = format!(
        "cordial: cannot write the joblog {}: File too large; allow larger files (ulimit -f)\n255\n",
        log.display()
    );
    assert_eq!((result.text(), &result.stderr), ("", &expected));
}
