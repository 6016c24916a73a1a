//! Lines for a shell that would evaluate an item instead of taking it as a text. Where bash expects a number or a name, the
//! text `a[$(touch ran)]` runs `touch`.

use std::process::{Command, Stdio};

use crate::harness::{RunOutput, TestDir, cordial, finish};

/// An item that creates the file `ran` if it is evaluated.
const EVIL: &str = "a[$(touch ran; echo 0)]";

/// Runs a line of bash for an item.
fn bash(dir: &TestDir, line: &str, item: &str) -> RunOutput {
    bash_with(dir, &[line, ":::", item])
}

fn bash_with(dir: &TestDir, words: &[&str]) -> RunOutput {
    let mut command = cordial();
    command.args(["map", "--shell-path", "bash"]).args(words).current_dir(dir.text()).stdin(Stdio::null());
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn has_bash() -> bool {
    Command::new("bash").args(["-c", "true"]).status().is_ok()
}

/// Checks that a line does not evaluate an item, and what it prints for an item that is a number or a name.
fn check(cases: &[(&str, &str, &str, &str)]) {
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    for (line, message, item, stdout) in cases {
        let result = bash(&dir, line, EVIL);
        assert!(!dir.path("ran").exists(), "{line} has evaluated the item");
        assert_eq!(result.status, 1, "{line}");
        assert!(result.stderr.contains(message), "{line}: {}", result.stderr);
        assert!(
            result.stderr.contains("to let the shell evaluate it anyway, write \"$1\" in the place of the item"),
            "{line}"
        );
        let result = bash(&dir, line, item);
        let found = (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr.as_str());
        assert_eq!(found, (0, (*stdout).to_owned(), ""), "{line} with {item}");
    }
}

#[test]
fn an_item_in_a_calculation_has_to_be_a_number() {
    let (number, index) = ("is not a number", "the shell could run a command that is in the item");
    check(&[
        ("echo $(({}+1))", number, "5", "6\n"),
        ("echo \"$(( {} * 2 ))\"", number, "5", "10\n"),
        ("echo $[{}]", number, "5", "5\n"),
        ("(({} > 1)) && echo more", number, "5", "more\n"),
        ("for ((i = {}; i < 7; i++)); do echo $i; done", number, "5", "5\n6\n"),
        ("let x={}+1; echo $x", number, "5", "6\n"),
        ("if true; then let {}; fi; echo", number, "5", "\n"),
        ("[[ {} -gt 1 ]] && echo more", number, "5", "more\n"),
        ("b[{}]=x; echo ${!b[@]}", number, "5", "5\n"),
        ("b[{}+1]+=x; echo ${!b[@]}", number, "5", "6\n"),
        ("x=1 b[{}]=y; echo ${!b[@]}", number, "5", "5\n"),
        ("b=([{}]=x y); echo ${!b[@]}", number, "5", "5 6\n"),
        ("b=(p q r); echo ${b[{}]}", number, "1", "q\n"),
        ("b=(p q r); unset b[{}]; echo ${b[@]}", number, "1", "p r\n"),
        ("declare b[{}]=x; echo ${!b[@]}", number, "5", "5\n"),
        ("read b[{}] <<< x; echo ${!b[@]}", number, "5", "5\n"),
        ("printf -v b[{}] x; echo ${!b[@]}", number, "5", "5\n"),
        ("b=(p q r); [ -v b[{}] ] && echo set", number, "1", "set\n"),
        ("b=(p q r); [[ -v b[{}] ]] && echo set", number, "1", "set\n"),
        ("x=abc; echo ${x:{}:1}", number, "1", "b\n"),
        ("declare -i x={}; echo $x", number, "5", "5\n"),
        ("f() { local -i x={}; echo $x; }; f", number, "5", "5\n"),
        ("typeset -xi x={}; echo $x", number, "5", "5\n"),
        ("declare -i x; x={}; echo $x", index, "5", "5\n"),
        ("declare -i x; read x <<< {}; echo $x", index, "5", "5\n"),
        ("RANDOM={}; echo", index, "5", "\n"),
    ]);
}

#[test]
fn an_item_in_a_variable_of_a_calculation_has_no_command_in_an_index() {
    let index = "the shell could run a command that is in the item";
    check(&[
        ("i={}; echo $((i+1))", index, "5", "6\n"),
        ("i={}; echo $(($i+1))", index, "5", "6\n"),
        ("i={}; echo $((${i}+1)) $((!i))", index, "5", "6 0\n"),
        ("i={}; ((i > 1)) && echo more", index, "5", "more\n"),
        ("i={}; ((i > 1)) || echo less", index, "", "less\n"),
        ("i={}; let j=i+1; echo $j", index, "5", "6\n"),
        ("i={}; [[ $i -gt 1 ]] && echo more", index, "5", "more\n"),
        ("i={}; [[ i -gt 1 ]] && echo more", index, "5", "more\n"),
        ("i={}; [[ \"$i\" -gt 1 ]] && echo more", index, "5", "more\n"),
        ("for i in 1 {}; do echo $((i+1)); done", index, "5", "2\n6\n"),
        ("read i <<< {}; echo $((i+1))", index, "5", "6\n"),
        ("printf -v i %s {}; echo $((i+1))", index, "5", "6\n"),
        ("export i={}; echo $((i+1))", index, "5", "6\n"),
        ("i=(1 {}); echo $((i[1]+1))", index, "5", "6\n"),
        ("i={}; b=(p q r); echo ${b[i]}", index, "1", "q\n"),
        ("i={}; b=(p q r); echo ${b[$i]}", index, "1", "q\n"),
        ("i={}; b[i]=x; echo ${!b[@]}", index, "5", "5\n"),
        ("i={}; x=abc; echo ${x:i:1}", index, "1", "b\n"),
        ("f() { echo $((i+1)); }; i={}; f", index, "5", "6\n"),
        ("declare -i j=1; i={}; declare -i j=$i; echo $j", index, "5", "5\n"),
        ("i={}; let 'i=i+1'; echo $i", index, "5", "6\n"),
        ("i={}; b=(p q r); unset 'b[i]'; echo ${b[@]}", index, "1", "p r\n"),
        ("i={}; b=(p q r); unset \"b[$i]\"; echo ${b[@]}", index, "1", "p r\n"),
        ("i={}; j=$i; k=\"${j}\"; echo $((k+1))", index, "5", "6\n"),
        ("i={}; declare -i j; j=$i; echo $j", index, "5", "5\n"),
        ("i={}; j=i; echo $((j+1))", index, "5", "6\n"),
        ("i={}; for j in $i 7; do echo $((j+1)); done", index, "5", "6\n8\n"),
    ]);
}

#[test]
fn an_item_that_may_reach_a_calculation_has_no_command_in_an_index() {
    let index = "the shell could run a command that is in the item";
    check(&[
        ("f() { echo $(($1+1)); }; f {}", index, "5", "6\n"),
        ("f() { local n=$1; (( n > 1 )) && echo more; }; f {}", index, "5", "more\n"),
        ("set -- {}; echo $(($1+1))", index, "5", "6\n"),
        ("set -- {} 1; echo $((${1}+$2))", index, "5", "6\n"),
        ("x=1; set -- {}; echo ${!1}", index, "x", "1\n"),
        ("f() { declare \"$1=2\"; echo $x; }; f {}", index, "x", "2\n"),
        ("f() { printf -v \"$1\" 2; echo $x; }; f {}", index, "x", "2\n"),
        ("i={}; b[ $i ]=1; echo ${!b[@]}", index, "5", "5\n"),
        ("b=( [ {} ]=1 ); echo ${!b[@]}", index, "5", "5\n"),
        ("echo {} | (read x; declare -i z; z=$x; echo $z)", index, "5", "5\n"),
        ("echo {} | while read x; do echo $((x+1)); done", index, "5", "6\n"),
        ("echo {} | { read x; let y=x+1; echo $y; }", index, "5", "6\n"),
        ("mapfile -t b <<< {}; echo $((b[0]+1))", index, "5", "6\n"),
        ("x=$(echo {}); echo $((x+1))", index, "5", "6\n"),
        ("X={} bash -c 'echo $((X+1))'", index, "5", "6\n"),
        ("echo {} | { read y; x=1; echo ${!y}; }", index, "x", "1\n"),
        ("n={}; n=${n%.txt}; echo $((n+1))", index, "5.txt", "6\n"),
        ("IFS=x read w h <<< {}; echo $((w*h))", index, "640x480", "307200\n"),
        ("IFS=: read -r h m <<< {}; echo $((h*60+m))", index, "1:30", "90\n"),
        ("i={}; [ \"$i\" -gt 1 ] && echo more", index, "5", "more\n"),
        ("i=0; for f in {}; do i=$((i+1)); done; echo $i", index, "a b", "1\n"),
    ]);
}

#[test]
fn an_item_whose_substitutions_would_be_done_has_to_have_none() {
    let plain = "would do the substitutions in the item";
    check(&[
        ("x={}; echo \"${x@P}\"", plain, "a b", "a b\n"),
        ("PS4={}; echo", plain, "+ ", "\n"),
        ("x={}; PS4=\"$x\"; echo", plain, "+ ", "\n"),
        ("BASH_ENV={} bash -c 'echo a'", plain, "/dev/null", "a\n"),
        ("x={}; export BASH_ENV=$x; bash -c 'echo a'", plain, "/dev/null", "a\n"),
        ("compgen -W {}", plain, "a b", "a\nb\n"),
        ("x={}; compgen -W \"$x\"", plain, "a b", "a\nb\n"),
        ("echo a >&{}; cat log", plain, "log", "a\n"),
        ("echo a 1>& {}.txt; cat log.txt", plain, "log", "a\n"),
        ("x={}; echo b >&$x; cat log", plain, "log", "b\n"),
    ]);
}

#[test]
fn an_item_that_names_a_variable_has_to_be_a_name() {
    let name = "uses the item as the name of a variable, and it is not a name";
    check(&[
        ("x=1; [ -v {} ] && echo set", name, "x", "set\n"),
        ("x=1; test -v {} && echo set", name, "x", "set\n"),
        ("x=1; [[ ! -v {} ]] || echo set", name, "x", "set\n"),
        ("printf -v {} 7; echo $x", name, "x", "7\n"),
        ("read {} <<< 7; echo $x", name, "x", "7\n"),
        ("while read -r {}; do echo $x; done <<< 7", name, "x", "7\n"),
        ("x=1; unset {}; echo ${x-none}", name, "x", "none\n"),
        ("declare {}; echo ${x-none}", name, "x", "none\n"),
        ("declare {}; echo $x", name, "x=7", "7\n"),
        ("export {}; env | grep ^x=", name, "x=7", "x=7\n"),
        ("declare -n y={}; x=1; echo $y", name, "x", "1\n"),
        ("y={}; x=1; echo ${!y}", name, "x", "1\n"),
        ("y={}; x=1; [ -v $y ] && echo set", name, "x", "set\n"),
        ("y={}; x=1; [[ -v $y ]] && echo set", name, "x", "set\n"),
        ("y={}; unset \"$y\"; echo", name, "x", "\n"),
        ("y={}; printf -v \"$y\" 7; echo $x", name, "x", "7\n"),
    ]);
}

/// Bash evaluates the values of some variables, and a list that is declared as the value of an array.
#[test]
fn an_item_that_names_a_variable_does_not_run_a_command_in_its_value() {
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    let substitution = "$(touch ran)";
    for words in [
        &["set -x; export {}; :", ":::", "PS4=$(touch ran)"][..],
        &["set -x; export {}; :", ":::", "PS4=`touch ran`"],
        &["export {}; bash -c :", ":::", "BASH_ENV=$(touch ran)"],
        &["export {}", ":::", "RANDOM=a[$(touch ran)]"],
        &["readonly {}", ":::", "OPTIND=a[$(touch ran)]"],
        &["declare {}", ":::", "SECONDS=a[$(touch ran)]"],
        &["declare SECONDS={}", ":::", EVIL],
        &["a=(1); declare {}", ":::", "a=($(touch ran))"],
        &["declare {}", ":::", "DIRSTACK=($(touch ran))"],
        &["set -x; read {1} <<< {2}; :", ":::", "PS4", ":::", substitution],
        &["set -x; printf -v {1} %s {2}; :", ":::", "PS4[0]", ":::", substitution],
        &["read {1} <<< {2}", ":::", "RANDOM", ":::", EVIL],
        &["y={1}; printf -v \"$y\" %s {2}", ":::", "SRANDOM", ":::", EVIL],
        &["mapfile {1} <<< {2}", ":::", "RANDOM", ":::", EVIL],
        &["x={2}; export {1}", ":::", "RANDOM=x", ":::", EVIL],
        &["x={2}; a=(1); declare {1}", ":::", "a=([x]=1)", ":::", EVIL],
    ] {
        let result = bash_with(&dir, words);
        assert!(!dir.path("ran").exists(), "{words:?} has evaluated the item");
        let message = "to let the shell evaluate it anyway, write \"$1\" in the place of the item";
        assert!(result.status != 0 && result.stderr.contains(message), "{words:?}: {}", result.stderr);
    }
    for (words, stdout) in [
        (&["export {}; env | grep ^ENV=", ":::", "ENV=test"][..], "ENV=test\n"),
        (&["export {}; echo $OPTIND", ":::", "OPTIND=5"], "5\n"),
        (&["a=(1); declare {}; echo ${a[1]}", ":::", "a=(p q)"], "q\n"),
        (&["export {}; echo \"$x\"", ":::", "x=$y"], "$y\n"),
        (&["mapfile -t {} <<< b; echo $x", ":::", "x"], "b\n"),
        (&["mapfile -tn {} x <<< b; echo $x", ":::", "1"], "b\n"),
    ] {
        let result = bash_with(&dir, words);
        let found = (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr.as_str());
        assert_eq!(found, (0, stdout.to_owned(), ""), "{words:?}");
    }
}

/// What a shell allows before the name of a command, and what a line can do with the item before the shell evaluates it.
#[test]
fn no_way_to_a_builtin_or_a_substitution_runs_a_command_of_the_item() {
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    let list = "($(touch ran))";
    let substitution = "$(touch ran)";
    for (line, item) in [
        ("function f { read {} <<< x; }; f", EVIL),
        ("coproc read {} <<< x; wait", EVIL),
        ("coproc x { read {} <<< x; }; wait", EVIL),
        ("2>/dev/null read {} </etc/passwd", EVIL),
        ("2> /dev/null read {} </etc/passwd", EVIL),
        ("if </etc/passwd read {}; then echo; fi", EVIL),
        ("command -p read {} </etc/passwd", EVIL),
        ("builtin -- read {} </etc/passwd", EVIL),
        ("time -p read {} </etc/passwd", EVIL),
        ("sleep 0 & wait -n -p {}", EVIL),
        ("r={}; declare -n r; echo $r", EVIL),
        ("x=read; $x {} </etc/passwd", EVIL),
        ("x=read; y={}; $x $y </etc/passwd", EVIL),
        ("x={}; declare -a a=$x", list),
        ("declare -a a; declare a={}", list),
        ("a=(1); declare a={}", list),
        ("x={}; y=${x:-a}; echo \"${y@P}\"", substitution),
        ("x={}; PS4=\"${x%a}\"; set -x; :", substitution),
        ("x=({}); echo \"${x[0]@P}\"", substitution),
        ("set -- {}; echo \"${1@P}\"", substitution),
        ("x=$(echo {}); echo \"${x@P}\"", substitution),
        ("compgen -W{}", substitution),
        ("let</etc/passwd {}", EVIL),
        ("let < <(true) {}", EVIL),
        ("{fd}>/dev/null let {}", EVIL),
        ("printf>/dev/null -v {} x", EVIL),
        ("printf -v >/dev/null {} x", EVIL),
        ("test -v > /dev/null {}", EVIL),
        ("a=(1); unset</etc/passwd {}", EVIL),
        ("cat <<E >&{}\nE", substitution),
        ("f() { echo >&$1; }; f {}", substitution),
        ("echo {} | { read -r x; echo >&$x; }", substitution),
        // The output of a command, an argument or the input is evaluated.
        ("s=abc; echo ${s:$(echo {})}", EVIL),
        ("echo $[$(echo {})]", EVIL),
        ("b=(1 2); echo ${b[$(cat<<<{})]}", EVIL),
        ("printf -v \"$(echo {})\" 1", EVIL),
        ("read \"`echo {}`\" <<< 1", EVIL),
        ("[ -v \"$(echo {})\" ]", EVIL),
        ("declare \"$(echo {})=1\"", EVIL),
        ("declare -n r; r=$(echo {}); echo $r", EVIL),
        ("OPTIND=$(echo {})", EVIL),
        ("x={}; eval 'let y=x'", EVIL),
        ("exec {x[{}]}>/dev/null", EVIL),
        ("set -- {}; PS4=$1; set -x; :", substitution),
        ("echo {} | { read PS4; set -x; :; }", substitution),
        ("mapfile -t PS4 <<< {}; set -x; :", substitution),
        ("PS4=$(echo {}); set -x; :", substitution),
        ("BASH_ENV={} bash -c :", substitution),
        ("y=x; x={}; echo \"${!y@P}\"", substitution),
        ("compgen -W \"$(echo {})\"", substitution),
        ("compgen -aW {}", substitution),
        // The line computes the name or an option of a builtin.
        ("{let,1} {}", EVIL),
        ("`echo let` {}", EVIL),
        ("x=t; le$x {}", EVIL),
        ("v=-v; printf $v {} x", EVIL),
        ("o=-v; [ $o {} ]", EVIL),
        ("o=-i; declare $o x={}", EVIL),
        ("read -dp {} <<< x", EVIL),
        ("read -pp {} <<< x", EVIL),
        // What is inside of a substitution or a list does not hide the command after it.
        ("x=$(case a in a) true;; esac) let {}", EVIL),
        ("a=$(case x in x) :;; esac; echo 1) read {} <<< 5", EVIL),
        ("x=$( (true) ) let {}", EVIL),
        ("x=$(f() { :; }; f) let {}", EVIL),
        ("x=$(cat <<E\na ) b\nE\n) let {}", EVIL),
        ("x=$(echo # )\n) let {}", EVIL),
        ("x=${y:-$(echo })} let {}", EVIL),
        ("x=${y:-a) b} let {}", EVIL),
        ("x=$((1 + (2) )) let {}", EVIL),
        ("x=([1]=$(echo a) b) let {}", EVIL),
        ("x=(a \")\" b) let {}", EVIL),
        ("x=(\n1) let {}", EVIL),
        ("x=$'a\\'b c' let {}", EVIL),
        ("x=1 \\\nlet {}", EVIL),
        ("if (true) then let {}; fi", EVIL),
        ("if [[ a ]] then let {}; fi", EVIL),
        ("if { true; } then let {}; fi", EVIL),
        ("for x do :; done; set -- a; for x do let {}; done", EVIL),
        ("for ((i = 0; i < 1; i++)) do let {}; done", EVIL),
        ("for ((i = 0; i < 1; i++)) { let {}; }", EVIL),
        // Other files and lines that a shell reads, and names that the line computes.
        ("env BASH_ENV={} bash -c :", substitution),
        ("ENV={} sh -i -c :", substitution),
        ("export ENV={}; sh -ic :", substitution),
        ("echo {} | { read -r ENV; export ENV; sh -ic :; }", substitution),
        ("P=PS; read ${P}4 <<< {}; set -x; :", substitution),
        ("P=PS; echo {} | { read -r \"${P}4\"; set -x; :; }", substitution),
        ("P=PS; printf -v ${P}4 %s {}; set -x; :", substitution),
        ("y=@P; x={}; eval \"echo \\${x$y}\"", substitution),
        ("y=P; x={}; eval 'echo ${x@'$y'}'", substitution),
        ("shopt -s expand_aliases\nalias q=let\nq {}", EVIL),
        ("shopt -s expand_aliases\nalias q='read <<< x '\nq {}", EVIL),
    ] {
        let result = bash(&dir, line, item);
        assert!(!dir.path("ran").exists(), "{line} has evaluated the item");
        assert!(result.status != 0 && result.stderr.contains("the shell"), "{line}: {}", result.stderr);
    }
}

/// Quotes, references, lists and `eval` hide from the scanner where a text is evaluated.
#[test]
fn an_item_with_a_command_in_an_index_fails_with_a_line_that_may_evaluate_texts_anywhere() {
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    let list = "($(touch ran))";
    for (line, item) in [
        ("f() { echo \"${!@}\"; }; f {}", EVIL),
        ("set -- {}; echo \"${!*}\"", EVIL),
        ("x=({}); echo ${!x[@]@Q}", EVIL),
        ("x=({}); echo ${!x[@]:0:1}", EVIL),
        ("x=({}); echo ${!x[*]-y}", EVIL),
        ("x={}; declare -a y=([0]=2 [x]=1)", EVIL),
        ("x={}; declare y=( [x]=1 )", EVIL),
        ("x={}; export y=( [x]=1 )", EVIL),
        ("read -a x <<< 1; v={}; declare x=\"$v\"", list),
        ("mapfile x <<< 1; v={}; export x=\"$v\"", list),
        ("x={}; declare -a \"y=([x]=1)\"", EVIL),
        ("x={}; declare -a y; declare y='([x]=1)'", EVIL),
        ("x={}; printf -v \"y[ x ]\" 1", EVIL),
        ("x={}; [ -v \"y[ x ]\" ]", EVIL),
        ("y=(1); x={}; unset y\\[x\\]", EVIL),
        ("y=(1); x={}; unset y'[x]'", EVIL),
        ("y=(1); x={}; test -v y'['x]", EVIL),
        ("y=(1); x={}; unset {z,\"y[x]\"}", EVIL),
        ("x={}; printf -v $'y[x]' 1", EVIL),
        ("x={}; let y=\\x", EVIL),
        ("x={}; let $'y=x'", EVIL),
        ("x={}; declare -i $'y=x'", EVIL),
        ("x={}; $'let' y=x", EVIL),
        ("x={}; $\"let\" y=x", EVIL),
        ("echo `echo \\`let {}\\``", EVIL),
        ("eval \"declare -i x\"; x={}; echo $x", EVIL),
        ("trap \"echo \\\"\\${!x}\\\"\" EXIT; x={}", EVIL),
    ] {
        let result = bash(&dir, line, item);
        assert!(!dir.path("ran").exists(), "{line} has evaluated the item");
        assert!(result.status != 0 && result.stderr.contains("the shell"), "{line}: {}", result.stderr);
    }
    for (line, item, stdout) in [
        ("declare x={}; echo \"$x\"", "a[1] $5 (b)", "a[1] $5 (b)\n"),
        ("declare x={}; echo \"$x\"", "$(b)", "$(b)\n"),
        ("x=a; y={}; echo \"${!x}$y\"", "[1]", "[1]\n"),
    ] {
        let result = bash(&dir, line, item);
        assert_eq!((result.status, result.text()), (0, stdout), "{line}: {}", result.stderr);
    }
}

#[test]
fn a_text_is_not_evaluated_where_the_shell_needs_no_number() {
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    for (line, stdout) in [
        ("x={}; echo \"$x\" ${#x} $((${#x} + 1))", format!("{EVIL} 23 24\n")),
        ("declare -A b; b[{}]=1; echo \"${!b[@]}\" ${b[{}]}", format!("{EVIL} 1\n")),
        ("declare -A b=([{}]=1); echo \"${!b[@]}\"", format!("{EVIL}\n")),
        ("x=({} y); echo ${#x[@]}", "2\n".to_owned()),
        ("read -r -p {} x <<< 7; echo $x", "7\n".to_owned()),
        ("printf '%s\\n' {}", format!("{EVIL}\n")),
        ("[ -n {} ] && [[ {} == *touch* ]] && echo yes", "yes\n".to_owned()),
        ("export x={}; env | grep ^x=", format!("x={EVIL}\n")),
        ("ls b[{}]=1 2> /dev/null; echo x b[{}]=2 | cut -c 1-5", "x b[a\n".to_owned()),
        ("case {} in a*) echo a;; esac", "a\n".to_owned()),
        ("x={}; echo $((${x//[^0-9]/}+1))", "1\n".to_owned()),
        ("k={}; declare -A b; b[$k]=1; unset 'b[$k]'; echo ${#b[@]}", "0\n".to_owned()),
        ("x={}; y=$x; z=\"$y!\"; echo \"$z\"", format!("{EVIL}!\n")),
        ("x=$(case a in a) echo b;; esac) y={}; echo $x \"$y\"", format!("b {EVIL}\n")),
        ("x=(a\n\"b)\" c); ENV=test echo ${x[1]} {}", format!("b) {EVIL}\n")),
        ("if (true) then echo {}; fi; for x in {}; do echo \"$x\"; done", format!("{EVIL}\n{EVIL}\n")),
        ("x={}; eval \"y=1\"; echo $y \"$x\"", format!("1 {EVIL}\n")),
        ("{ set -x; x=$(echo a); set +x; } 2> /dev/null; echo {}", format!("{EVIL}\n")),
        ("y={}; b=(p q); echo \"${!b[@]}\" \"${!PA@}\" \"$y\"", format!("0 1 PATH {EVIL}\n")),
    ] {
        let result = bash(&dir, line, EVIL);
        assert!(!dir.path("ran").exists(), "{line} has evaluated the item");
        let found = (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr.as_str());
        assert_eq!(found, (0, stdout, ""), "{line}");
    }
    let result = bash(&dir, "declare -a x={}; echo $x", "1");
    assert_eq!(result.status, 255);
    assert!(result.stderr.contains("put the placeholder in parentheses, as in x=({})"), "{}", result.stderr);
}

#[test]
fn a_command_in_an_index_that_the_line_or_another_value_begins_does_not_run() {
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    let run = |words: &[&str]| {
        let result = bash_with(&dir, words);
        assert!(!dir.path("ran").exists(), "{words:?} has run a command");
        result
    };
    let evil = "$(touch ran)";
    for line in [
        "i={}; let \"b[$i]=1\"",
        "i={}; unset \"b[$i]\"",
        "i={}; printf -v \"b[$i]\" x",
        "i={}; read \"b[$i]\" <<< x",
        "i={}; declare \"b[$i]=x\"; ((1))",
        "i={}; declare -i j=\"b[$i]\"",
        "declare -i x; i={}; x=b[$i]",
        "declare -i n; n+=b[{}]",
        "x=b[{}]; echo $((x))",
        "b=( [ {} ]=1 )",
        "printf -v y 'b[%s]' {}; echo $((y))",
        "x=b[; y={}; z=]; echo $(($x$y$z))",
    ] {
        let result = run(&[line, ":::", evil]);
        assert!(result.stderr.contains("has an index (a ["), "{line}: {}", result.stderr);
    }
    let result = run(&["h={1}; m={2}; echo $(($h*60+$m))", ":::", "a[", ":::", "0$(touch ran)]"]);
    assert!(result.stderr.contains("has an index (a ["), "{}", result.stderr);
    for line in [
        "[ $((1+CORDIAL_INDEX)) -gt 1 ] && echo {}",
        "[[ $CORDIAL_INDEX -gt 0 ]] && echo {}",
        "b=(0); ls *.[ch] 2> /dev/null; ((b[0]+CORDIAL_INDEX)) && echo {}",
    ] {
        let result = run(&[line, ":::", evil]);
        let found = (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr.as_str());
        assert_eq!(found, (0, format!("{evil}\n"), ""), "{line}");
    }
}

#[test]
fn a_command_that_runs_its_argument_runs_the_item() {
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    for line in ["eval {}", "sh -c {}", "bash -c {}", "trap {} EXIT", "x={}; eval \"$x\"", "echo $(($1))"] {
        let item = if line.contains("$1") { EVIL } else { "touch ran" };
        assert_eq!(bash(&dir, line, item).status, 0, "{line}");
        assert!(dir.path("ran").exists(), "{line}");
        std::fs::remove_file(dir.path("ran")).unwrap();
    }
}

/// Bash and `dash` look for the end of a calculation outside of quotes.
#[test]
fn a_parenthesis_in_quotes_does_not_end_a_calculation() {
    for line in [
        "((echo ')) {} '; :) )",
        "((echo \")) {} \"; :) )",
        "echo $((echo ')) {} '; :) )",
        "echo \"$((echo ')) {} '; :) )\"",
    ] {
        let result = crate::harness::run(&["map", "--shell", line, ":::", "a"], b"");
        assert_eq!((result.status, &*result.stdout), (255, &b""[..]), "{line}: {}", result.stderr);
        assert!(result.stderr.contains("may begin a calculation or a command"), "{line}: {}", result.stderr);
    }
    let dir = TestDir::new();
    if !has_bash() {
        crate::harness::skip("bash is not installed");
        return;
    }
    for line in ["echo $((\"1\" + {}))", "echo $(( $(echo '1') + {} ))", "((\"{}\" == 5)) && echo $((1 + 5))"] {
        let result = bash(&dir, line, "5");
        assert_eq!((result.status, result.text()), (0, "6\n"), "{line}: {}", result.stderr);
    }
}

#[test]
fn an_item_in_a_function_is_the_item_and_not_an_argument_of_the_function() {
    for (line, stdout) in [
        ("f() { echo {} \"$1\"; }; f x", "a x\n"),
        ("f () { echo {.} {}; }; f x", "a a\n"),
        ("set -- x y; echo {} $2; shift; echo {1}", "a y\na\n"),
        ("set -e; set -o noglob; echo {} $#", "a 1\n"),
        ("echo {}; set x; echo {}", "a\na\n"),
    ] {
        let result = crate::harness::run(&["map", "--shell", line, ":::", "a"], b"");
        let found = (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr.as_str());
        assert_eq!(found, (0, stdout.to_owned(), ""), "{line}");
    }
    let refused = crate::harness::run(&["map", "--shell", "f() { echo {1}; }; f {2}", ":::", "a", ":::", "b"], b"");
    assert_eq!(refused.status, 255);
    assert!(refused.stderr.contains("put the value into a variable before that, as in x={1}"), "{}", refused.stderr);
    let result = crate::harness::run(&["map", "--shell", "x={1}; f() { echo $x; }; f", ":::", "a", ":::", "b"], b"");
    assert_eq!(result.stdout, b"a\n");
    let result = crate::harness::run(&["map", "-n2", "--shell", "f() { echo $2 $1; }; f", ":::", "a", "b"], b"");
    assert_eq!(result.stdout, b"b a\n");
}
