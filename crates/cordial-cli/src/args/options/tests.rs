use clap::Parser;

use super::*;
use crate::stop::halt::{Share, When};

fn map(args: &[&str]) -> Result<MapOptions, String> {
    match Args::try_parse_from([&["cordial", "map"], args].concat()) {
        Ok(Args { command: Command::Map(options) }) => Ok(*options),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_definitions_hold_together() {
    definitions().debug_assert();
}

#[test]
fn the_number_at_once_has_three_names() {
    for args in [["-c", "4"], ["-j", "4"], ["-P", "4"], ["--jobs", "4"], ["--max-procs", "4"], ["--concurrency", "4"]] {
        assert_eq!(map(&[&args[..], &["true"]].concat()).unwrap().concurrency, Jobs::Number(4));
    }
    assert_eq!(map(&["-P0", "true"]).unwrap().concurrency, Jobs::Unlimited);
    assert_eq!(map(&["true"]).unwrap().concurrency, Jobs::Cores);
}

#[test]
fn words_become_values() {
    let options = map(&["--timeout", "10", "--grace", "1m 5s", "--delay", "0.5", "--memfree", "2GiB", "true"]).unwrap();
    assert_eq!((options.timeout, options.grace), (Some(Duration::from_secs(10)), Duration::from_secs(65)));
    assert_eq!((options.delay, options.memfree), (Some(Duration::from_millis(500)), Some(2 << 30)));
    for (text, byte) in [(",", b','), ("\\t", b'\t'), ("\\0", 0), ("\\x2c", b',')] {
        assert_eq!(map(&["-d", text, "true"]).unwrap().delimiter, Some(byte));
    }
    for (text, policy) in [
        ("never", Policy::Never),
        ("soon,fail=3", Policy::Halt { when: When::Soon, failed: Share::Number(3) }),
        ("now,fail=10%", Policy::Halt { when: When::Now, failed: Share::Percent(10) }),
    ] {
        assert_eq!(map(&["--halt", text, "true"]).unwrap().halt, Some(policy));
    }
}

#[test]
fn the_options_end_where_the_command_begins() {
    let options = map(&["-n2", "sh", "-c", "x", "-n", ":::", "--null"]).unwrap();
    assert_eq!(options.command, ["sh", "-c", "x", "-n", ":::", "--null"]);
    assert!(!options.null);
}
