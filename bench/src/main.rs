//! Side by side with tokio: one command, one table of ratios.
//!
//! A ratio is the median over pairs that ran one after the other in this process, ours and the peer's, with the same
//! number of workers, both rooted in a spawned task. `cargo run --release -p cordial-bench [ROW..]` runs all rows, or
//! those whose name contains one of the words.
#![expect(clippy::print_stdout, reason = "the table is the product")]

mod measure;
mod rows;

use measure::{Bench, Pair};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let bench = Bench::start(2);
    println!("{:<52} {:>11} {:>11} {:>7} {:>15} {:>7} {:>7}", "row", "ours", "peer", "ratio", "spread", "floor", "aim");
    for row in rows::ALL {
        if !words.is_empty() && !words.iter().any(|word| row.name.contains(word.as_str())) {
            continue;
        }
        let pairs: Vec<Pair> = (0..measure::PAIRS).map(|_| (row.measure)(&bench)).collect();
        println!("{}", measure::line(row, &pairs));
    }
}
