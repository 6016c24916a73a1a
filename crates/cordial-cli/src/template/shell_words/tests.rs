use super::{WordUse, calculates, changes_arguments, keyed, numbers, reading};

fn value(names: &[&str]) -> WordUse {
    WordUse::Value(names.iter().map(|name| name.as_bytes().to_vec()).collect())
}

#[test]
fn a_word_is_read_as_its_command_says() {
    for (before, expected) in [
        ("", WordUse::Command),
        ("echo ", WordUse::Text),
        ("x=1 ", WordUse::Command),
        ("x=1 echo ", WordUse::Text),
        ("x=", value(&["x"])),
        ("if ! x+=a", value(&["x"])),
        ("b[1]=", value(&["b"])),
        ("x=(", value(&["x"])),
        ("x=(a ", value(&["x"])),
        ("x=(a b) unset ", WordUse::Name),
        ("x=$(a b) unset ", WordUse::Name),
        ("x='a b' y=\"c d\" unset ", WordUse::Name),
        ("echo 'unset ", WordUse::Text),
        ("for i in a ", value(&["i"])),
        ("select i in ", value(&["i"])),
        ("declare ", WordUse::Declaration),
        ("declare -i ", WordUse::Name),
        ("declare -i x=", WordUse::Number),
        ("declare -xi x=", WordUse::Number),
        ("local x=", WordUse::DeclaredValue(b"x".to_vec())),
        ("export x=", WordUse::DeclaredValue(b"x".to_vec())),
        ("export -f ", WordUse::Text),
        ("declare -n x=", WordUse::Name),
        ("declare -a x=", WordUse::Array),
        ("declare -a x=(", value(&["x"])),
        ("integer x=", WordUse::Number),
        ("nameref x=", WordUse::Name),
        ("readonly ", WordUse::Declaration),
        ("printf -v ", WordUse::Name),
        ("printf -v", WordUse::Name),
        ("printf ", WordUse::Text),
        ("printf -v x %s ", value(&["x"])),
        ("read ", WordUse::Name),
        ("while IFS= read -r ", WordUse::Name),
        ("read -p ", WordUse::Text),
        ("read -rp ", WordUse::Text),
        ("read -t ", WordUse::Number),
        ("read x < ", WordUse::Text),
        ("read -r x y <<< ", value(&["x", "y"])),
        ("unset ", WordUse::Name),
        ("unset -f ", WordUse::Text),
        ("builtin unset x ", WordUse::Name),
        ("[ -v ", WordUse::Name),
        ("[ ! -v ", WordUse::Name),
        ("[ -n ", WordUse::Text),
        ("test -R ", WordUse::Name),
        ("let ", WordUse::Number),
        ("let x=", WordUse::Number),
        ("getopts ab ", WordUse::Name),
        ("set -A ", WordUse::Name),
        ("eval ", WordUse::Text),
        ("function f { read ", WordUse::Name),
        ("coproc read ", WordUse::Name),
        ("coproc x { read ", WordUse::Name),
        ("2>/dev/null read ", WordUse::Name),
        ("2> /dev/null read ", WordUse::Name),
        ("if <f read ", WordUse::Name),
        (">&2 <<< x read ", WordUse::Name),
        ("&>f read ", WordUse::Name),
        ("command -p read ", WordUse::Name),
        ("builtin -- read ", WordUse::Name),
        ("time -p read ", WordUse::Name),
        ("echo function f read ", WordUse::Text),
        ("wait -p ", WordUse::Name),
        ("wait -n -p ", WordUse::Name),
        ("wait -np ", WordUse::Name),
        ("wait ", WordUse::Text),
        ("compgen -W", WordUse::Expanded),
        ("let<f ", WordUse::Number),
        ("let < f ", WordUse::Number),
        ("let 2>f >>g ", WordUse::Number),
        ("x=1>f let ", WordUse::Number),
        ("{fd}>f let ", WordUse::Number),
        ("let < <(a b) ", WordUse::Number),
        ("let '1<", WordUse::Number),
        ("let 1\\<", WordUse::Number),
        ("printf>f -v ", WordUse::Name),
        ("printf -v >f ", WordUse::Name),
        ("test -v > f ", WordUse::Name),
        ("read x >f <<< ", value(&["x"])),
        ("read x<<<", value(&["x"])),
        ("echo >", WordUse::Text),
        ("echo x>>y", WordUse::Text),
        ("echo &> ", WordUse::Text),
        ("echo >&", WordUse::Expanded),
        ("echo >& ", WordUse::Expanded),
        ("echo 2>&x", WordUse::Expanded),
        ("echo >&2 ", WordUse::Text),
        ("compgen -A function ", WordUse::Text),
        ("$x ", WordUse::Unknown),
        ("le$x ", WordUse::Unknown),
        ("`x let` ", WordUse::Unknown),
        ("{let,} ", WordUse::Unknown),
        ("printf $x ", WordUse::Unknown),
        ("[ $x ", WordUse::Unknown),
        ("declare $x y=", WordUse::Unknown),
        ("declare y=$x z=", WordUse::DeclaredValue(b"z".to_vec())),
        ("printf %s $x ", WordUse::Text),
        ("[ $x = ", WordUse::Text),
        ("read -dp ", WordUse::Name),
        ("read -pp ", WordUse::Name),
        ("read -ra ", WordUse::Name),
        ("mapfile -t ", WordUse::Name),
        ("readarray -n 1 ", WordUse::Name),
        ("mapfile -tn ", WordUse::Text),
        ("mapfile -C ", WordUse::Text),
        ("mapfile -t x <<< ", WordUse::Text),
        ("\"${x}\" -a ", WordUse::Unknown),
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
        ("eval 'let y=x'", true),
        ("let x=1; echo {}", false),
        ("OPTIND=$(x)", true),
        ("declare -n r; r=$(x)", true),
        ("exec {x[{}]}>f", true),
        ("outlet; ls b[{}] ${x[0]}", false),
        ("echo (x) -eq", false),
    ] {
        assert_eq!(calculates(line.as_bytes()), is_found, "{line}");
    }
}
