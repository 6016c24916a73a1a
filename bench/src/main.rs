//! Benchmarks of cordial against tokio and others: prints one table of ratios. `README.md` describes the method.
#![expect(clippy::print_stdout, reason = "the table is the product")]

mod bare_commands;
mod measure;
mod parts;
mod rows;
mod subprocess;
mod usage;

use std::process::ExitCode;

use measure::{Bench, Pair};

fn main() -> ExitCode {
    // In a worker process of one of these libraries, its `init` runs the worker and never returns.
    cordial_isolate::init(rows::isolate::functions());
    procspawn::init();
    if let Some(code) = subprocess::run_without_backtraces() {
        return code;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, part] = &words[..]
        && flag == subprocess::FLAG
    {
        println!("{}", parts::run(part));
        return ExitCode::SUCCESS;
    }
    println!(
        "{:<50} {:>10} {:>10} {:>6} {:>15} {:>10} {:>10}",
        "row", "ours", "peer", "ratio", "spread", "floor", "aim"
    );
    for row in rows::ALL {
        if !words.is_empty() && !words.iter().any(|word| row.name.contains(word.as_str())) {
            continue;
        }
        let bench = Bench::start(row.workers);
        let pairs: Vec<Pair> = (0..row.pairs).map(|_| (row.measure)(&bench)).collect();
        println!("{}", measure::line(row, &pairs));
    }
    ExitCode::SUCCESS
}
