use super::{Reading, calculates, changes_arguments, keyed, numbers, reading};

fn value(names: &[&str]) -> Reading {
    Reading::Value(names.iter().map(|name| name.as_bytes().to_vec()).collect())
}

#[test]
fn a_word_is_read_as_its_command_says() {
    for (before, expected) in [
        ("", Reading::Command),
        ("echo ", Reading::Text),
        ("x=1 ", Reading::Command),
        ("x=1 echo ", Reading::Text),
        ("x=", value(&["x"])),
        ("if ! x+=a", value(&["x"])),
        ("b[1]=", value(&["b"])),
        ("x=(", value(&["x"])),
        ("x=(a ", value(&["x"])),
        ("x=(a b) unset ", Reading::Name),
        ("x=$(a b) unset ", Reading::Name),
        ("x='a b' y=\"c d\" unset ", Reading::Name),
        ("echo 'unset ", Reading::Text),
        ("for i in a ", value(&["i"])),
        ("select i in ", value(&["i"])),
        ("declare ", Reading::Declaration),
        ("declare -i ", Reading::Name),
        ("declare -i x=", Reading::Number),
        ("declare -xi x=", Reading::Number),
        ("local x=", value(&["x"])),
        ("export x=", value(&["x"])),
        ("export -f ", Reading::Text),
        ("declare -n x=", Reading::Name),
        ("declare -a x=", Reading::Array),
        ("declare -a x=(", value(&["x"])),
        ("integer x=", Reading::Number),
        ("nameref x=", Reading::Name),
        ("readonly ", Reading::Declaration),
        ("printf -v ", Reading::Name),
        ("printf -v", Reading::Name),
        ("printf ", Reading::Text),
        ("printf -v x %s ", value(&["x"])),
        ("read ", Reading::Name),
        ("while IFS= read -r ", Reading::Name),
        ("read -p ", Reading::Text),
        ("read -rp ", Reading::Text),
        ("read -t ", Reading::Number),
        ("read x < ", Reading::Text),
        ("read -r x y <<< ", value(&["x", "y"])),
        ("unset ", Reading::Name),
        ("unset -f ", Reading::Text),
        ("builtin unset x ", Reading::Name),
        ("[ -v ", Reading::Name),
        ("[ ! -v ", Reading::Name),
        ("[ -n ", Reading::Text),
        ("test -R ", Reading::Name),
        ("let ", Reading::Number),
        ("let x=", Reading::Number),
        ("getopts ab ", Reading::Name),
        ("set -A ", Reading::Name),
        ("eval ", Reading::Text),
    ] {
        assert_eq!(reading(before.as_bytes()), expected, "{before}");
    }
}

#[test]
fn some_commands_change_the_arguments() {
    for (text, changes) in [
        ("set -- a", true),
        ("set a", true),
        ("set --", true),
        ("set -eo pipefail; x", false),
        ("set -e\nset a", false),
        ("set +x", false),
        ("set", false),
        ("shift; x", true),
        ("function f { x; }", false),
        ("settle a", false),
        ("echo set a", false),
    ] {
        assert_eq!(changes_arguments(text.as_bytes()), changes, "{text}");
    }
}

#[test]
fn declared_variables_are_found() {
    let line = b"f() { local -i n m=1; }; declare -A keys; integer k; declare -x e; if x; then typeset -Ai both; fi";
    let names =
        |names: &[Vec<u8>]| names.iter().map(|name| String::from_utf8(name.clone()).unwrap()).collect::<Vec<_>>();
    assert_eq!(names(&keyed(line)), ["keys", "both"]);
    let numbers: Vec<_> = numbers(line).collect();
    let numbers = names(&numbers);
    assert!(
        ["n", "m", "k", "both", "RANDOM"].iter().all(|name| numbers.iter().any(|number| number == name)),
        "{numbers:?}"
    );
    assert!(!numbers.contains(&"e".to_owned()) && !numbers.contains(&"keys".to_owned()));
}

#[test]
fn a_line_that_calculates_with_a_variable_is_found() {
    for (line, is_found) in [
        ("echo $((x+1))", true),
        ("f() { echo $(($1)); }", true),
        ("bash -c 'echo $((X+1))'", true),
        ("((i > 1))", true),
        ("[ $i -gt 1 ]", true),
        ("[ {} -eq 1 ]", true),
        ("echo $((1 + {}))", false),
        ("echo $((${#x} + 1)) x", false),
        ("echo $((${x//[^0-9]/} + 1))", false),
        ("[ 3 -gt 2 ]", false),
        ("((echo {}) | cat)", false),
        ("echo (x) -eq", false),
    ] {
        assert_eq!(calculates(line.as_bytes()), is_found, "{line}");
    }
}
