//! Bad usage is a sentence and status 255; asking for help is neither.

use std::io;
use std::process::Stdio;

use crate::program::{cordial, finish, run};

#[test]
fn bad_usage_has_its_own_status() {
    for (args, sentence) in [
        (&[][..], "Usage: cordial <COMMAND>"),
        (&["map"], "required arguments were not provided"),
        (&["map", "--"], "required arguments were not provided"),
        (&["map", "-c", "0", "true"], "with 0 at once nothing would ever run; give 1 or more"),
        (&["map", "-c", "x", "true"], "give a whole number of commands, 1 or more"),
        (&["map", "--timeout", "0", "true"], "no item can end within no time; leave the option out for no limit"),
        (&["map", "--timeout", "soon", "true"], "give a duration such as 500ms, 30s or 1h 30m"),
        (&["map", "--no-such-option", "true"], "unexpected argument '--no-such-option'"),
        (&["no-such-command"], "unrecognized subcommand 'no-such-command'"),
    ] {
        let ran = run(args, b"never read\n");
        assert_eq!((ran.status, ran.stdout.as_slice()), (255, &b""[..]), "{args:?}");
        assert!(ran.stderr.contains(sentence), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn help_and_version_succeed() {
    for (args, part) in [
        (&["--help"][..], "Usage: cordial <COMMAND>"),
        (&["map", "-h"], "Usage: cordial map"),
        (&["map", "--help"], "Exit status:"),
        (&["--version"], concat!("cordial ", env!("CARGO_PKG_VERSION"))),
    ] {
        let ran = run(args, b"");
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{args:?}");
        assert!(String::from_utf8(ran.stdout).unwrap().contains(part), "{args:?}");
    }
}

#[test]
fn nobody_has_to_read_the_help() {
    for args in [&["map", "--help"][..], &["map", "-c", "0", "true"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let child = cordial()
            .args(args)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        let _ = finish(child);
    }
}
