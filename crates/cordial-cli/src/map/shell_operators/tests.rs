#![cfg(unix)]

use super::check;

fn is_refused(line: &str) -> bool {
    let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    check(&words, |word| word.windows(2).any(|pair| pair == b"{}")).is_err()
}

#[test]
fn operators_are_refused_where_a_shell_was_meant() {
    for line in [
        "gzip -c {} > {}.gz",
        "wc -l < {}",
        "sort {} >> all",
        "make {} 2> log",
        "make {} 2>&1",
        "make {} 2>/dev/null",
        "grep x {} 2>/dev/null",
        "gzip -c {} >{}.gz",
        "sort {} >>all.txt",
        "make {} 2>{}.err",
        "sort -u {} | uniq",
        "echo {} | tr a-z A-Z",
        "rm {} && echo done",
        "echo {} |wc",
        "echo {} &&sort -u",
        "echo {}| wc -c",
        "echo {} $PARALLEL_SEQ",
        "echo x${PARALLEL_JOBSLOT}",
        "ls {} || true",
        "echo {}; sleep 1; echo done",
        "echo -n {}; sleep 1",
        "cat {} | grep x",
        "test -d {} ; echo yes",
        "echo {} ; sleep 1",
        "sleep 1;echo {}",
        "echo job{};exit {}",
        "mkdir {} && cd {}",
        "awk '{print}' {}",
        "perl -e 'print' {}",
        "find {} -name '*.log'",
    ] {
        assert!(is_refused(line), "{line}");
    }
}

#[test]
fn operators_are_arguments_of_programs_that_take_them() {
    for line in [
        "find {} -exec ls {} ;",
        "find {} -type f -exec grep -l x {} ; -print",
        "grep -c > {}",
        "grep < {}",
        "grep -l 2>&1 {}",
        "rg -n -F >/dev/null {}",
        "xzgrep -c > {}",
        "dpkg --compare-versions {} >> 1.0",
        "convert {} -resize >5 out",
        "echo {} >b</a>",
        "grep cat|ls {}",
        "grep | {}",
        "grep |wc {}",
        "grep -l $PARALLEL_SEQ {}",
        "sed s|{}|x| wc",
        "paste -d |wc {}",
        "echo {} |x |no-such-program",
        "echo |a| wc",
        "echo $USER {}",
        "sh -c $PARALLEL_SEQ",
        "expr {} | 0",
        "expr {} > 3",
        "test {} > x",
        "[ {} < x ]",
        "sort -t | -k2 {}",
        "cut -d ; -f1 {}",
        "cut -f2 -d > {}",
        "paste -sd > {}",
        "sort -nt | test {}",
        "sort --field-separator | test {}",
        "xargs -a {} -d ; ls",
        "cmake -DLIST=test;ls {}",
        "make CMD=test;ls {}",
        "tr ; , {}",
        "awk -F | {print} {}",
        "sed s/a/b/;p {}",
        "sed -e 1d;ls {}",
        "ssh {} uptime;date",
        "timeout 5 ssh {} df | grep /",
        "mysql -e quit; test {}",
        "git log --format %h;date {}",
        "sh -c date;ls {}",
        "bash -ec date;ls {}",
        "echo >{}",
        "echo a;b {}",
        "echo & {}",
        "echo '{}'",
        "grep 'x' {}",
        "echo >",
    ] {
        assert!(!is_refused(line), "{line}");
    }
}
