//! How many items streams finish per second.

use std::collections::HashMap;

use cordial::process::StreamInfo;
use tokio::time::Instant;

/// The shortest time between two readings that are compared, in seconds.
const SHORTEST: f64 = 0.9;

/// The last reading of each stream, by the number of the stream.
#[derive(Debug, Default)]
pub(crate) struct StreamRates(HashMap<u64, StreamReading>);

#[derive(Clone, Copy, Debug)]
struct StreamReading {
    at: Instant,
    finished: usize,
    per_second: f64,
}

impl StreamRates {
    /// Returns how many items per second each of these streams has finished between its last two readings, which are at least [`SHORTEST`]
    /// apart; at the first reading, since the first poll of the stream. Forgets all other streams.
    pub(crate) fn update(&mut self, streams: &[StreamInfo]) -> Vec<f64> {
        let at = Instant::now();
        let before = std::mem::take(&mut self.0);
        let rate = |stream: &StreamInfo| {
            let finished = stream.succeeded + stream.failed;
            let reading = match before.get(&stream.number) {
                Some(last) => last.next(at, finished),
                None => {
                    StreamReading { at, finished, per_second: finished as f64 / stream.age.as_secs_f64().max(0.001) }
                }
            };
            self.0.insert(stream.number, reading);
            reading.per_second
        };
        streams.iter().map(rate).collect()
    }
}

impl StreamReading {
    fn next(self, at: Instant, finished: usize) -> StreamReading {
        let seconds = at.duration_since(self.at).as_secs_f64();
        if seconds < SHORTEST {
            return self;
        }
        StreamReading { at, finished, per_second: finished.saturating_sub(self.finished) as f64 / seconds }
    }
}
