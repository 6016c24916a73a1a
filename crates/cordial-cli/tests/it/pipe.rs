//! One input that is cut into blocks, which commands read from their standard input.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::Signal;

use crate::harness::{Case, TestDir, at_once, check, cordial, finish, run, send, shell, start, wait_until};

/// Runs a command that prints its block in brackets.
fn blocks(options: &[&str], input: &[u8]) -> String {
    let result = run(&[&["map", "--pipe"][..], options, &["printf '['; cat; printf ']'"]].concat(), input);
    assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{options:?}");
    result.text().to_owned()
}

#[test]
fn records_are_never_cut() {
    for (options, input, expected) in [
        (&[][..], &b"a\nb\n"[..], "[a\nb\n]"),
        (&[], b"", ""),
        (&[], b"no newline", "[no newline]"),
        (&["-N1"], b"a\nb\nc", "[a\n][b\n][c]"),
        (&["-N", "2"], b"a\nb\nc\n", "[a\nb\n][c\n]"),
        (&["--block", "5"], b"a\nb\nc\nd\n", "[a\nb\n][c\nd\n]"),
        // A record that is longer than a block.
        (&["--block", "3"], b"a\nlonger\nb\n", "[a\n][longer\n][b\n]"),
        (&["--recend", ";", "-N1"], b"a;b\n;c", "[a;][b\n;][c]"),
        (&["--recend", "\\n\\n", "-N1"], b"a\nb\n\nc\n", "[a\nb\n\n][c\n]"),
        (&["--recend", "\\0", "-N1"], b"a\0b\0", "[a\0][b\0]"),
        (&["--recstart", ">", "-N1"], b">a\n1\n>b\n2\n", "[>a\n1\n][>b\n2\n]"),
        (&["--recstart", ">", "--recend", "\\n", "-N1"], b">a>\n>b\n", "[>a>\n][>b\n]"),
        (&["--recend", "", "--block", "3"], b"abcdefgh", "[abc][def][gh]"),
        (&["--spreadstdin", "--block-size", "1M"], b"a\n", "[a\n]"),
        // 1K and 1ki are 1024 bytes, and 1k is 1000.
        (&["--recend", "", "--block", "0.0079k"], b"abcdefgh", "[abcdefg][h]"),
        (&["--recend", "", "--block", "0.0079K"], b"abcdefgh", "[abcdefgh]"),
        (&["--recend", "", "--block", "0.0079ki"], b"abcdefgh", "[abcdefgh]"),
        // Larger than memory.
        (&["--block", "1000T"], b"a\n", "[a\n]"),
    ] {
        assert_eq!(blocks(options, input), expected, "{options:?} {input:?}");
    }
    let large = "a\n".repeat(2 << 20);
    for block in ["1000T", "3M"] {
        let result = run(&["map", "--pipe", "--block", block, "cat"], large.as_bytes());
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{block}");
        assert!(result.stdout == large.as_bytes(), "{block}");
    }
}

#[test]
fn a_file_is_cut_into_as_many_blocks_as_are_wanted() {
    let dir = TestDir::new();
    let lines: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    for (name, text) in [("small", &lines[..3893]), ("large", &lines), ("open", lines.trim_end())] {
        fs::write(dir.path(name), text).unwrap();
        for (slots, per_slot) in [(1, 1), (2, 2), (3, 7)] {
            let path = dir.path(name);
            let (slots_option, block) = (format!("-c{slots}"), format!("-{per_slot}"));
            let args = ["map", "--pipe", &slots_option, "--block", &block, "-a", path.to_str().unwrap(), "wc -l"];
            let result = run(&args, b"");
            let n_lines: Vec<usize> = result.text().lines().map(|line| line.trim().parse().unwrap()).collect();
            assert_eq!(n_lines.len(), slots * per_slot, "{name} {args:?}");
            assert_eq!(n_lines.iter().sum::<usize>(), text.matches('\n').count(), "{name} {args:?}");
        }
    }
}

#[test]
fn large_inputs_arrive_whole_and_in_order() {
    let lines: String = (0..200_000).map(|n| format!("{n} {}\n", "x".repeat(n % 37))).collect();
    for (options, n) in [
        (&[][..], 200_000),
        // A command for each block of this size.
        (&["--block", "1K", "-c4"], 10_000),
        (&["--block", "70K", "-c1"], 200_000),
        (&["--block", "3M"], 200_000),
        (&["-N", "777"], 100_000),
    ] {
        let lines: String = lines.split_inclusive('\n').take(n).collect();
        let result = run(&[&["map", "--pipe"][..], options, &["cat"]].concat(), lines.as_bytes());
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{options:?}");
        assert!(result.stdout == lines.as_bytes(), "{options:?}");
        // Every block ends with a line.
        let result = run(&[&["map", "--pipe"][..], options, &["tail", "-c1"]].concat(), lines.as_bytes());
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{options:?}");
        assert!(!result.stdout.is_empty() && result.stdout.iter().all(|byte| *byte == b'\n'), "{options:?}");
    }
    // From a pipe, in parts of any size.
    let result = shell("seq 300000 | \"$0\" map --pipe --block 64K cat | cksum; seq 300000 | cksum");
    let sums: Vec<String> = result.text().lines().map(str::to_owned).collect();
    assert_eq!(sums[0], sums[1]);
}

/// The system moves the blocks of a file into the pipes of the commands; those of a pipe are read here.
#[test]
fn a_file_has_the_blocks_of_a_pipe() {
    let dir = TestDir::new();
    let lines: String = (0..60_000).map(|n| format!("{n} {}\n", "x".repeat(n % 37))).collect();
    // Records longer than the end of a block that is searched first, and longer than a block.
    let long = format!("{lines}{}\n{lines}{}\n{lines}", "y".repeat(90_000), "z".repeat(300_000));
    let starts = lines.replace('\n', "\n>");
    for (name, text) in [("lines", &lines), ("long", &long), ("starts", &starts)] {
        fs::write(dir.path(name), text).unwrap();
    }
    let options = ["", "--block 64K", "--block 100K", "--block 100K -c1", "--block 200K --recstart '>'", "--recend ''"];
    let cases = ["lines", "long", "starts"].into_iter().flat_map(|name| options.map(|options| (name, options)));
    at_once(4, cases.enumerate(), |(n, (name, options))| {
        let script = format!(
            "cd {}; \"$0\" map --pipe {options} --tag cksum < {name} > file{n}; cat {name} | \"$0\" map --pipe {options} --tag cksum \
             > pipe{n}; cmp file{n} pipe{n} && wc -l < file{n}",
            dir.text()
        );
        let result = shell(&script);
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{name} {options}");
        assert!(result.text().trim() != "0", "{name} {options}");
    });
    // The first block begins at the position of the file, and the next reader of the file begins after the last one.
    let script = "cd $1; { head -c 1000 > start; \"$0\" map --pipe --block 64K cat > middle; cat > end; } < lines; \
                  cat start middle | cmp - lines; wc -c < end; \"$0\" map --pipe --pipe-part -a lines --block -1 cat | cmp - lines";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_cordial"), dir.text()]);
    let result = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((result.status, result.text().trim(), result.stderr.as_str()), (0, "0", ""));
    // A further attempt, and the commands of --round-robin, read whole blocks too.
    let script = "cd $1; \"$0\" map --pipe --block 64K --retries 1 'cat; [ $CORDIAL_ATTEMPT = 2 ]' < lines | cmp - lines; \
                  \"$0\" map --round-robin -c3 --block 64K cat < lines | sort > a; sort lines | cmp - a";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_cordial"), dir.text()]);
    let result = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((result.status, result.text(), result.stderr.as_str()), (0, "", ""));
}

#[test]
fn a_command_that_stops_reading_early_does_not_fail() {
    let lines: String = (0..300_000).map(|n| format!("{n}\n")).collect();
    for command in ["head -n1", "true"] {
        let result = run(&["map", "--pipe", "--block", "500K", command], lines.as_bytes());
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{command}");
        assert_eq!(result.text().lines().count(), if command == "true" { 0 } else { 4 });
    }
    // The input of an item is larger than its pipe, and the command reads it only after a while.
    let result = run(&["map", "--pipe", "--block", "8M", "sleep 0.2; wc -l"], lines.as_bytes());
    assert_eq!((result.status, result.text().trim()), (0, "300000"));
}

#[test]
fn a_block_is_kept_for_further_attempts_and_named_in_records() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let script = "cat; [ $CORDIAL_ATTEMPT = 2 ] || [ $CORDIAL_INDEX = 1 ]";
    let args = ["map", "--pipe", "-N2", "-c1", "--retries", "1", "--joblog", log.to_str().unwrap(), script];
    let result = run(&args, b"a\nb\nc\nd\n");
    assert_eq!((result.status, result.text()), (0, "a\nb\nc\nd\n"));
    let text = fs::read_to_string(&log).unwrap();
    let columns: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let shown: Vec<[&str; 4]> = columns.iter().map(|line| [line[0], line[4], line[5], line[9]]).collect();
    assert_eq!(shown, [["1", "4", "4", "# 'bytes 0 to 3'"], ["2", "8", "4", "# 'bytes 4 to 7'"]]);
    assert_eq!(columns[0][8], script);
    let failed = run(&["map", "--pipe", "-N1", "-c1", "--tag", "grep b; exit 3"], b"a\nb\n");
    assert_eq!((failed.status, failed.text()), (2, "bytes 2 to 3\tb\n"));
    assert!(failed.stderr.contains("item 2 \"bytes 2 to 3\" failed: grep b; exit 3: exited"), "{}", failed.stderr);
    check(&[Case {
        args: &["map", "--pipe", "-N1", "--dry-run", "wc", "-l", "{#}"],
        input: b"a\nb\n",
        status: 0,
        stdout: b"wc -l 1\nwc -l 2\n",
        stderr: "",
    }]);
}

#[test]
fn round_robin_starts_one_command_per_slot() {
    let lines: String = (0..100_000).map(|n| format!("{n}\n")).collect();
    let result = run(&["map", "--round-robin", "-c3", "--block", "10K", "sort -n"], lines.as_bytes());
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    let output = result.text();
    let numbers: Vec<u32> = output.lines().map(|line| line.parse().unwrap()).collect();
    // Each command has sorted its records. On a busy machine, one may have got only its first block.
    assert!(numbers.windows(2).filter(|pair| pair[0] > pair[1]).count() <= 2);
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..100_000));
    // No more commands than blocks.
    for (input, expected) in [(&b"a\nb\n"[..], "job\na\nb\n"), (b"", "")] {
        let result = run(&["map", "--pipe", "--round-robin", "-c4", "echo job; cat"], input);
        assert_eq!((result.status, result.text()), (0, expected));
    }
    let unread = run(&["map", "--round-robin", "-c2", "--block", "1K", "head -n1 >/dev/null"], lines.as_bytes());
    assert_eq!((unread.status, unread.text()), (0, ""));
    assert!(unread.stderr.contains("the input was not read to its end"), "{}", unread.stderr);
}

#[test]
fn round_robin_continues_when_fewer_commands_may_run() {
    let dir = TestDir::new();
    let command = format!("touch {}/$CORDIAL_INDEX; wc -l", dir.text());
    let mut child = start(&["map", "--round-robin", "-N1", "-c8", &command]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"a\n".repeat(8).as_slice()).unwrap();
    (1..=8).for_each(|number| dir.wait_for(&number.to_string()));
    for _ in 0..7 {
        // Signals that come together are delivered as one.
        send(&child, Signal::USR2);
        thread::sleep(Duration::from_millis(20));
    }
    input.write_all(b"a\n".repeat(1000).as_slice()).unwrap();
    drop(input);
    let result = finish(child);
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    assert_eq!(result.text().lines().map(|n| n.trim().parse::<u32>().unwrap()).sum::<u32>(), 1008);
}

/// The commands wait for the rest of the input until each slot has a command or no further command starts. A stop of the run ends
/// that wait.
#[test]
fn round_robin_ends_when_the_run_stops_before_every_slot_has_a_command() {
    let dir = TestDir::new();
    let fifo = dir.path("joblog");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let closed_joblog = format!("--joblog {}", fifo.to_str().unwrap());
    let rest: String = (3..=100).map(|n| format!("{n}\n")).collect();
    let (fail, succeed) = ("[ $CORDIAL_INDEX != 2 ] || exit 7; cat", "[ $CORDIAL_INDEX != 2 ] || exit 0; cat");
    let log = |n: usize| dir.path(&format!("log{n}"));
    // The last run has no record of the end of its second command. There the command says that it ends.
    let ends = dir.path("ends");
    let says_its_end = format!("[ $CORDIAL_INDEX != 2 ] || {{ touch {}; exit 7; }}; cat", ends.display());
    let cases = [
        ("--halt soon,fail=1", fail, 7, "stopped by failures: "),
        ("--halt soon,fail=1 --unordered", fail, 7, "stopped by failures: "),
        ("--halt soon,fail=1 --keep-order --line-buffer", fail, 7, "stopped by failures: "),
        ("--halt soon,success=1", succeed, 0, ""),
        (&closed_joblog, &says_its_end, 255, "cannot write the joblog"),
    ];
    at_once(5, cases.into_iter().enumerate(), |(n, (options, command, status, message))| {
        let has_closed_joblog = options == closed_joblog;
        let options =
            if has_closed_joblog { options.to_owned() } else { format!("{options} --joblog {}", log(n).display()) };
        let options: Vec<&str> = options.split(' ').collect();
        let mut child = start(&[&["map", "--round-robin", "--block", "2", "-c4"], &options[..], &[command]].concat());
        if has_closed_joblog {
            // Reads a part of the header, and closes the joblog.
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            let pipe = fs::File::options().read(true).custom_flags(flags).open(&fifo).unwrap();
            wait_until("the joblog has a header", || (&pipe).read(&mut [0; 10]).is_ok_and(|n| n > 0));
        }
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"1\n2\n").unwrap();
        // A command that has not ended would take a part of the rest.
        wait_until("the second command has ended", || match has_closed_joblog {
            true => ends.exists(),
            false => fs::read_to_string(log(n)).is_ok_and(|log| log.lines().count() == 2),
        });
        // The run stops meanwhile. If that takes longer, further commands start and take a part of the rest.
        thread::sleep(Duration::from_secs(1));
        input.write_all(rest.as_bytes()).unwrap();
        drop(input);
        let result = finish(child);
        let mut lines: Vec<&str> = result.text().lines().collect();
        lines.sort_unstable_by_key(|line| line.parse::<u32>().unwrap());
        assert!(lines.iter().copied().eq(std::iter::once("1").chain(rest.lines())), "{options:?}: {lines:?}");
        assert_eq!(result.status, status, "{options:?}: {}", result.stderr);
        assert!(result.stderr.contains(message), "{options:?}: {}", result.stderr);
    });
}

/// Too many captures in files let no further item start. With `--round-robin`, no command ends before all have started.
#[test]
fn round_robin_starts_all_commands_however_much_the_first_ones_print() {
    let dir = TestDir::new();
    let script = format!("head -c 70000 /dev/zero; touch {}/$CORDIAL_INDEX; cat >/dev/null", dir.text());
    let mut child = start(&["map", "--round-robin", "-N1", "-c150", &script]);
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| std::io::copy(&mut output, &mut std::io::sink()).unwrap());
        input.write_all(b"a\n".repeat(140).as_slice()).unwrap();
        (1..=140).for_each(|number| dir.wait_for(&number.to_string()));
        input.write_all(b"a\n".repeat(100).as_slice()).unwrap();
        drop(input);
        let result = finish(child);
        assert_eq!((result.status, result.stderr.as_str()), (0, ""));
        assert_eq!(reader.join().unwrap(), 150 * 70000);
    });
}

#[test]
fn the_placeholders_for_the_number_and_the_slot_can_be_renamed() {
    for (options, expected) in [
        (&["--seqreplace", "@", "echo @ '{#}' {%}"][..], "1 {#} 1\n2 {#} 1\n"),
        (&["--er", "@", "echo '{.}' {#}"], "{.} 1\n{.} 2\n"),
        (&["--slotreplace", "%", "echo % {#}"], "1 1\n1 2\n"),
    ] {
        let result = run(&[&["map", "--pipe", "-N1", "-c1"], options].concat(), b"a\nb\n");
        assert_eq!((result.status, result.text(), result.stderr.as_str()), (0, expected, ""));
    }
}

#[test]
fn a_file_is_cut_into_parts() {
    let dir = TestDir::new();
    fs::write(dir.path("in"), "1\n2\n3\n4\n5\n6\n7\n8\n").unwrap();
    let path = dir.path("in");
    let path = path.to_str().unwrap();
    let print = "echo $(cat)";
    for (options, expected) in [
        (&["--pipe-part", "--block", "4"][..], "1 2\n3 4\n5 6\n7 8\n"),
        (&["--pipepart", "--block", "-2", "-c2"], "1 2\n3 4\n5 6\n7 8\n"),
        (&["--pipe", "--block", "-1", "-c2"], "1 2 3 4\n5 6 7 8\n"),
        (&["--pipe", "-N3"], "1 2 3\n4 5 6\n7 8\n"),
    ] {
        let result = run(&[&["map", "-a", path][..], options, &[print]].concat(), b"");
        assert_eq!((result.status, result.text(), result.stderr.as_str()), (0, expected, ""), "{options:?}");
    }
}

/// As for GNU parallel: a record of a FASTQ file has four lines.
#[test]
fn a_record_may_have_several_lines() {
    let input: String = (1..=22).map(|line| format!("{line}\n")).collect();
    for options in [
        &["-L4", "-N2"][..],
        &["-N2", "-L4"],
        &["-L4", "-n2"],
        &["-n2", "-L4"],
        &["-l4", "-N2"],
        &["-N2", "--max-lines=4"],
    ] {
        let result = run(&[&["map", "--pipe"][..], options, &["sed -n '1p;$p'"]].concat(), input.as_bytes());
        assert_eq!(result.stdout, b"1\n8\n9\n16\n17\n22\n", "{options:?}: {}", result.stderr);
    }
}

#[test]
fn options_that_contradict_blocks_are_refused() {
    let dir = TestDir::new();
    let ran = format!("touch {}", dir.path("ran").to_str().unwrap());
    for (options, text) in [
        (&["--pipe", &ran, ":::", "a"][..], "leave out ::: and ::::"),
        (&["--pipe", "-0", &ran], "write --recend '\\0' for -0"),
        (&["--pipe", "--resume", "--joblog", "log", &ran], "--resume cannot be used with --pipe"),
        (&["--pipe", "--halt", "now,fail=5%", &ran], "--halt with a percentage cannot be used with --pipe"),
        (&["--round-robin", "--retries", "1", &ran], "--retries cannot be used with --round-robin"),
        (&["--pipe", "echo", "{}"], "the command has a placeholder for an item, and with --pipe there is none"),
        (&["--pipe", "-I", "X", "echo aXb"], "the command has a placeholder for an item"),
        (&["--pipe", "echo {1}"], "the command has a placeholder for an item"),
        (&["--pipe", "--er", "@", "echo @"], "the command has a placeholder for an item"),
        (&["--pipe", "--bnr", "@", "echo @"], "the command has a placeholder for an item"),
        (&["--pipe", "--dnr", "@", "echo", "@"], "the command has a placeholder for an item"),
        (&["--pipe", "--bner", "@", "echo", "x@"], "the command has a placeholder for an item"),
        (&["--pipe", "-L2", &ran], "add -N, as in -L 4 -N 1000"),
        (&["--pipe", "-L2", "-n3", "--recend", "x", &ran], "leave out one of them"),
        (&["--pipe", "-X", &ran], "-X, -m and --xargs are about items"),
        (&["--pipe", "-s", "100", &ran], "-s, -x, --plus and --link are about items"),
        (&["--pipe", "-x", &ran], "-s, -x, --plus and --link are about items"),
        (&["--pipe", "--plus", &ran], "-s, -x, --plus and --link are about items"),
        (&["--pipe", "--link", &ran], "-s, -x, --plus and --link are about items"),
        (&["--pipe", "--colsep", ",", &ran], "--colsep, --trim and -E are about items"),
        (&["--pipe", "--header", ":", &ran], "which repeats the first line for each block"),
        (&["--pipe-part", &ran], "--pipe-part cuts a file: add -a FILE"),
        (&["--pipe", "--block", "-2", &ran], "--block -N needs the size of a file"),
        (&["--pipe", "--block", "0", &ran], "expected a size such as 500K"),
        (&["--block", "1M", &ran], "--block says how --pipe cuts its input: add --pipe"),
        (&["--recend", "x", &ran], "--recend says how --pipe cuts"),
        (&["--pipe"], "--pipe needs a command"),
    ] {
        let result = run(&[&["map"][..], options].concat(), b"a\nb\n");
        assert_eq!((result.status, result.stdout.len()), (255, 0), "{options:?}");
        assert!(result.stderr.contains(text), "{options:?}: {}", result.stderr);
    }
    assert!(!dir.path("ran").exists());
}

/// The memory of the program does not depend on the length of the input.
#[cfg(target_os = "linux")]
#[test]
fn blocks_are_kept_in_bounded_memory() {
    let dir = TestDir::new();
    // By one command only: of two `cp` that create the same file at once, one fails.
    let script = format!("cat >/dev/null; [ $CORDIAL_INDEX != 300 ] || cp /proc/$PPID/status {}/status", dir.text());
    let mut child = start(&["map", "--pipe", "-c2", "--block", "1M", &script]);
    let mut input = child.stdin.take().unwrap();
    let lines = b"some line of text\n".repeat(60_000);
    for _ in 0..300 {
        input.write_all(&lines).unwrap();
    }
    drop(input);
    assert_eq!(finish(child).status, 0);
    let status = fs::read_to_string(dir.path("status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    let peak: u64 = peak.trim().parse().unwrap();
    assert!(peak < 60_000, "{peak} KiB");
}

#[test]
fn a_read_error_of_the_input_is_reported() {
    for options in [&["--pipe"][..], &["--round-robin"]] {
        let child = cordial()
            .args(["map"])
            .args(options)
            .arg("cat")
            .stdin(fs::File::open("/").unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let result = finish(child);
        assert_eq!(
            (result.status, result.stderr.as_str()),
            (255, "cordial: cannot read the items: Is a directory\n"),
            "{options:?}"
        );
    }
}

#[test]
fn sigusr1_runs_further_commands_although_no_block_has_been_read() {
    let dir = TestDir::new();
    let command = format!("touch {0}/$CORDIAL_INDEX; until [ -e {0}/go ]; do sleep 0.01; done; cat", dir.text());
    let mut child = start(&["map", "--pipe", "-N1", "-c1", &command]);
    child.stdin.take().unwrap().write_all(b"a\n".repeat(8).as_slice()).unwrap();
    dir.wait_for("1");
    for number in 2..=8 {
        send(&child, Signal::USR1);
        dir.wait_for(&number.to_string());
    }
    dir.touch("go");
    let result = finish(child);
    assert_eq!((result.status, result.text(), result.stderr.as_str()), (0, &*"a\n".repeat(8), ""));
}
