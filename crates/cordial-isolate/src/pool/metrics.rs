//! A pool as metrics.

use metrics::{counter, gauge};

use super::statistics::PoolStatistics;

impl PoolStatistics {
    /// Sets the gauges and counters of a pool in the recorder of the [`metrics`] facade, for example every ten seconds. `pool` is the value of their
    /// metric label `pool`.
    ///
    /// | metric | shows |
    /// |---|---|
    /// | gauges `cordial_isolated_workers`, `cordial_isolated_resident_bytes` | worker processes, and their physical memory |
    /// | gauges `cordial_isolated_running_calls`, `cordial_isolated_queued_calls` | calls that run, and that wait for a worker |
    /// | counters `cordial_isolated_calls_total`, `cordial_isolated_lost_calls_total`, `cordial_isolated_killed_calls_total` | calls: all, those that were lost with their worker, those that were killed with it |
    /// | counters `cordial_isolated_worker_starts_total`, `cordial_isolated_recycled_workers_total`, `cordial_isolated_failed_starts_total` | workers |
    pub fn record(&self, pool: &str) {
        let PoolStatistics { workers, queued, running, calls, lost, killed, started, recycled, failed_starts } = self;
        let pool = pool.to_owned();
        let resident: u64 = workers.iter().filter_map(|worker| worker.resident_memory).sum();
        gauge!("cordial_isolated_workers", "pool" => pool.clone()).set(workers.len() as f64);
        gauge!("cordial_isolated_resident_bytes", "pool" => pool.clone()).set(resident as f64);
        gauge!("cordial_isolated_running_calls", "pool" => pool.clone()).set(*running as f64);
        gauge!("cordial_isolated_queued_calls", "pool" => pool.clone()).set(*queued as f64);
        counter!("cordial_isolated_calls_total", "pool" => pool.clone()).absolute(*calls);
        counter!("cordial_isolated_lost_calls_total", "pool" => pool.clone()).absolute(*lost);
        counter!("cordial_isolated_killed_calls_total", "pool" => pool.clone()).absolute(*killed);
        counter!("cordial_isolated_worker_starts_total", "pool" => pool.clone()).absolute(*started);
        counter!("cordial_isolated_recycled_workers_total", "pool" => pool.clone()).absolute(*recycled);
        counter!("cordial_isolated_failed_starts_total", "pool" => pool).absolute(*failed_starts);
    }
}
