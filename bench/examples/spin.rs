use cordial::{Runtime, Task};
use std::time::{Duration, Instant};
fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let kind = std::env::args().nth(2).unwrap();
    let rt = Runtime::builder().workers(2).build().unwrap();
    let lat = rt
        .block_on(async move {
            let tasks: Vec<Task<()>> = (0..n)
                .map(|_| {
                    let k = kind.clone();
                    Task::spawn(async move {
                        if k == "spin" {
                            let s = Instant::now();
                            while s.elapsed() < Duration::from_secs(2) {}
                        } else {
                            std::thread::sleep(Duration::from_secs(1));
                        }
                    })
                    .timeout(Duration::from_secs(100))
                })
                .collect();
            let mut lat = vec![];
            let s = Instant::now();
            while s.elapsed() < Duration::from_secs(2) {
                let at = tokio::time::Instant::now() + Duration::from_millis(1);
                tokio::time::sleep_until(at).await;
                lat.push(at.elapsed());
            }
            for t in tasks {
                t.await.unwrap();
            }
            lat
        })
        .unwrap();
    let mut l = lat;
    l.sort();
    println!(
        "n={} p50={:?} p90={:?} p99={:?} max={:?}",
        l.len(),
        l[l.len() / 2],
        l[l.len() * 9 / 10],
        l[l.len() * 99 / 100],
        l[l.len() - 1]
    );
    println!("{:?}", std::fs::read_dir("/proc/self/task").unwrap().count());
    std::thread::sleep(Duration::from_secs(11));
    println!("{:?}", std::fs::read_dir("/proc/self/task").unwrap().count());
}
