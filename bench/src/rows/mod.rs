//! The rows of the table, each with the question that it answers.

mod messages;
mod parallel;
mod spawn;
mod stream;

use crate::measure::Row;

pub(crate) const ALL: &[Row] = &[
    Row { name: "spawn 1 M, then await all", measure: spawn::many, budget: (0.8, 0.6) },
    Row { name: "spawn and await one by one, limit armed", measure: spawn::one_by_one, budget: (0.7, 0.4) },
    Row { name: "ping-pong over bounded channels", measure: messages::ping_pong, budget: (0.8, 0.5) },
    Row { name: "1000 tasks yielding", measure: messages::yielding, budget: (1.0, 0.7) },
    Row { name: "200 us beside 200 us (peer: one after the other)", measure: parallel::two, budget: (0.65, 0.56) },
    Row { name: "the same after 5 ms of own computing", measure: parallel::two_after_long, budget: (0.67, 0.6) },
    Row { name: "stream of 1 M trivial items, 64 at a time", measure: stream::unordered_64, budget: (0.8, 0.5) },
    Row { name: "100 k panicking tasks", measure: spawn::panicking, budget: (1.2, 1.0) },
];
