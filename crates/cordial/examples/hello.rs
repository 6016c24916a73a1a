//! Starts a task, does something else, and awaits the result. A second task crashes: its result is an error.
#![expect(clippy::print_stdout, reason = "an example prints")]

use cordial::{Exit, Task};

async fn hello() -> Result<(), Exit> {
    let primes = Task::spawn(async { (2..20_000).filter(|n| (2..*n).all(|d| n % d != 0)).count() });
    println!("this line is printed while the task counts");
    println!("there are {} primes below 20000", primes.await?);

    let words: Vec<&str> = "one two".split(' ').collect();
    let third = Task::spawn(async move { words[2].to_owned() });
    match third.await {
        Ok(word) => println!("the third word is {word}"),
        Err(exit) => println!("no third word: {exit}"),
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    cordial::main(hello())
}
