use clap::{CommandFactory, Parser};

use super::*;

fn parsed(words: &[&str]) -> MapOptions {
    let Args { command: Command::Map(options) } = Args::try_parse_from(words).unwrap();
    options
}

fn refused(words: &[&str]) -> String {
    Args::try_parse_from(words).unwrap_err().to_string()
}

fn long_help() -> String {
    let mut command = Args::command();
    command.find_subcommand_mut("map").unwrap().render_long_help().to_string()
}

#[test]
fn the_definition_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn the_words_after_the_first_belong_to_the_command() {
    for words in [
        &["cordial", "map", "-c", "8", "--", "wc", "-l", "-c", "{}"][..],
        &["cordial", "map", "-c", "8", "wc", "-l", "-c", "{}"],
        &["cordial", "map", "-c8", "wc", "-l", "-c", "{}"],
        &["cordial", "map", "--max-concurrency=8", "wc", "-l", "-c", "{}"],
    ] {
        let options = parsed(words);
        assert_eq!(options.max_concurrency().get(), 8, "{words:?}");
        assert_eq!(options.command, ["wc", "-l", "-c", "{}"], "{words:?}");
    }
}

#[test]
fn without_options_it_uses_every_core_and_has_no_limit() {
    let options = parsed(&["cordial", "map", "true"]);
    assert_eq!(options.max_concurrency(), thread::available_parallelism().unwrap());
    assert_eq!(options.timeout, None);
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(parsed(&["cordial", "map", "--timeout", "1h 30m", "true"]).timeout, Some(Duration::from_secs(5400)));
    assert_eq!(parsed(&["cordial", "map", "--timeout=250ms", "true"]).timeout, Some(Duration::from_millis(250)));
}

#[test]
fn bad_usage_is_told_in_a_sentence() {
    for (words, sentence) in [
        (&["cordial", "map", "-c", "0", "true"][..], "with 0 at once nothing would ever run; give 1 or more"),
        (&["cordial", "map", "-c", "-1", "true"], "give a whole number of commands, 1 or more"),
        (&["cordial", "map", "-c", "many", "true"], "give a whole number of commands, 1 or more"),
        (
            &["cordial", "map", "--timeout", "0", "true"],
            "no item can end within no time; leave the option out for no limit",
        ),
        (&["cordial", "map", "--timeout", "0s", "true"], "no item can end within no time"),
        (&["cordial", "map", "--timeout", "30", "true"], "give a duration such as 500ms, 30s or 1h 30m"),
        (&["cordial", "map", "--timeout", "", "true"], "give a duration such as 500ms, 30s or 1h 30m"),
        (&["cordial", "map"], "required arguments were not provided"),
        (&["cordial", "map", "--"], "required arguments were not provided"),
        (&["cordial", "map", "--unknown", "true"], "unexpected argument '--unknown'"),
        (&["cordial", "mop"], "unrecognized subcommand 'mop'"),
        (&["cordial"], "Usage: cordial <COMMAND>"),
    ] {
        let text = refused(words);
        assert!(text.contains(sentence), "{words:?}: {text}");
    }
}

#[test]
fn the_help_tells_defaults_placeholder_and_statuses() {
    let help = long_help();
    for part in [
        "-c, --max-concurrency <NUMBER>",
        "[default: the number of cores]",
        "--timeout <DURATION>",
        "[default: no limit]",
        "{} is replaced by the item",
        "printed in the order of the input",
        "1 to 100  that many items failed",
        "130, 143  stopped by SIGINT (Ctrl-C) or SIGTERM",
        "255       bad usage",
    ] {
        // Wrapping must not decide whether the test passes.
        let joined = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(&part.split_whitespace().collect::<Vec<_>>().join(" ")), "{part:?} is not in:\n{help}");
    }
}

#[test]
fn every_example_of_the_help_is_good_usage() {
    let examples: Vec<&str> = AFTER_HELP
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(" | ").map(|(_, rest)| rest))
        .collect();
    assert_eq!(examples.len(), 4);
    for example in examples {
        let options = parsed(&example.split(' ').collect::<Vec<_>>());
        assert!(!options.command.is_empty(), "{example}");
    }
}
