//! Side by side with tokio: one command, one table of ratios. See `README.md` for the method.
#![expect(clippy::print_stdout, reason = "the table is the product")]

mod alone;
mod measure;
mod rows;

use measure::{Bench, Pair};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, part] = &words[..]
        && flag == alone::FLAG
    {
        println!("{}", alone::run(part));
        return;
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
}
