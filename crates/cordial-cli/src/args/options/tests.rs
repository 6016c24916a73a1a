use clap::Parser;

use super::*;
use crate::stop::halt::{HaltCondition, HaltMode, Threshold};

fn map(args: &[&str]) -> Result<MapOptions, String> {
    match Args::try_parse_from([&["cordial", "map"], args].concat()) {
        Ok(Args { command: Command::Map(options) }) => Ok(*options),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_definitions_are_consistent() {
    definitions().debug_assert();
}

#[test]
fn concurrency_has_several_names() {
    for args in [["-c", "4"], ["-j", "4"], ["-P", "4"], ["--jobs", "4"], ["--max-procs", "4"], ["--concurrency", "4"]] {
        assert_eq!(map(&[&args[..], &["true"]].concat()).unwrap().concurrency, Concurrency::Number(4));
    }
    assert_eq!(map(&["-P0", "true"]).unwrap().concurrency, Concurrency::Maximum);
    assert_eq!(map(&["-j", "-1", "true"]).unwrap().concurrency, Concurrency::CoresMinus(1));
    assert_eq!(map(&["-j+2", "true"]).unwrap().concurrency, Concurrency::CoresPlus(2));
    assert_eq!(map(&["true"]).unwrap().concurrency, Concurrency::Percent(100));
}

#[test]
fn values_are_parsed() {
    let options = map(&["--timeout", "10", "--grace", "1m 5s", "--delay", "0.5", "--memfree", "2GiB", "true"]).unwrap();
    assert_eq!((options.timeout, options.grace), (Some(Duration::from_secs(10)), Duration::from_secs(65)));
    assert_eq!((options.delay, options.memfree), (Some(Duration::from_millis(500)), Some(2 << 30)));
    for (text, byte) in [(",", b','), ("\\t", b'\t'), ("\\0", 0), ("\\x2c", b','), ("\\054", b','), ("\\f", 0x0c)] {
        assert_eq!(map(&["-d", text, "true"]).unwrap().items.delimiter, Some(byte));
    }
    for (text, policy) in [
        ("never", HaltPolicy::Never),
        (
            "-2",
            HaltPolicy::After {
                condition: HaltCondition::Succeeded,
                threshold: Threshold::Count(1),
                mode: HaltMode::Now,
            },
        ),
    ] {
        assert_eq!(map(&["--halt", text, "true"]).unwrap().halt, Some(policy));
    }
}

#[test]
fn words_after_the_command_are_not_options() {
    let options = map(&["-n2", "sh", "-c", "x", "-n", ":::", "--null"]).unwrap();
    assert_eq!(options.command, ["sh", "-c", "x", "-n", ":::", "--null"]);
    assert!(!options.items.null);
}

#[test]
fn a_later_option_overrides_an_earlier_one() {
    let options =
        map(&["-j1", "--tag", "-j2", "--tag", "-n3", "-0", "-d,", "-N2", "-k", "--unordered", "true"]).unwrap();
    assert_eq!(options.concurrency, Concurrency::Number(2));
    assert_eq!((options.items.max_records(), options.items.max_replace_args), (Some(2), Some(2)));
    assert_eq!((options.items.null, options.items.delimiter), (false, Some(b',')));
    assert!(options.unordered && !options.keep_order);
}

#[test]
fn the_input_may_be_several_files() {
    assert_eq!(map(&["-a", "x", "-a", "y", "true"]).unwrap().items.arg_file.len(), 2);
}
