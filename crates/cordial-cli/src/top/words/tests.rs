use super::*;

#[test]
fn numbers_and_durations_are_short() {
    let durations = [
        (0, "0ms"),
        (999, "999ms"),
        (1000, "1.0s"),
        (99_949, "99.9s"),
        (99_950, "2m"),
        (120_000, "2m"),
        (7_200_000, "2.0h"),
    ];
    for (milliseconds, text) in durations {
        assert_eq!(duration(milliseconds), text);
    }
    for (n, text) in
        [(0.0, "0"), (0.5, "0.5"), (3.0, "3"), (9999.0, "9999"), (12_345.0, "12.3k"), (4_500_000.0, "4.5M")]
    {
        assert_eq!(count(n), text);
    }
    assert_eq!((bytes(3 << 20), share(0.126), bar(0.0), bar(2.0)), ("3 MiB".to_owned(), "13%".to_owned(), ' ', '█'));
}

#[test]
fn a_hostile_label_stays_text() {
    assert_eq!(clean("a\x1b[2Jb\nc\u{202e}d\u{ad}\u{e0041}<b>"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}\u{fffd}<b>");
}

#[test]
fn control_characters_of_a_text_are_escaped() {
    assert_eq!(escaped(b"a\x1b]0;b\x07\nc\xff"), "a\\u{1b}]0;b\\u{7}\nc\u{fffd}");
}

#[test]
fn a_place_has_its_folder_if_there_is_room() {
    assert_eq!(place("crates/shop/src/import.rs:3:4"), "src/import.rs:3:4");
    assert_eq!(place("crates/warehouse-examples/import.rs:3:4"), "import.rs:3:4");
    assert_eq!(
        (place("main.rs:1:2"), place("a/b\x1b.rs:1:2")),
        ("main.rs:1:2".to_owned(), "a/b\u{fffd}.rs:1:2".to_owned())
    );
}
