//! A program that users of `cordial-isolate` and `cordial-nats` may have written. It has to compile unchanged in later versions.
#![allow(dead_code, clippy::print_stdout, reason = "compiled, not run")]

use std::process::ExitCode;
use std::time::Duration;

use cordial::{Exit, Strategy, Supervisor, Task};
use cordial_isolate::{Function, Functions, Pool};
use cordial_nats::{Cluster, Job};
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize, Clone)]
struct Picture(Vec<u8>);
#[derive(Serialize, Deserialize)]
struct Thumbnail(Vec<u8>);

const RESIZE: Function<Picture, Thumbnail> = Function::new("pictures.resize");
const HASH: Function<Vec<u8>, u64> = Function::new("hash").version(2);
const PARSE: Function<String, u64> = Function::new("parse");

async fn resize(picture: Picture) -> Thumbnail {
    Thumbnail(picture.0)
}

fn functions() -> Functions {
    Functions::new()
        .add(RESIZE, resize)
        .add_blocking(HASH, |bytes: Vec<u8>| bytes.iter().map(|byte| u64::from(*byte)).sum())
        .add_fallible(PARSE, |text: String| async move { text.parse::<u64>() })
}

fn main() -> ExitCode {
    cordial_isolate::main(functions(), async {
        let pool = Pool::builder()
            .workers(2)
            .memory(512 << 20)
            .cpu_time(10 * SECOND)
            .recycle_after(1000)
            .idle_timeout(60 * SECOND)
            .grace(SECOND)
            .start()?;
        let task: Task<Thumbnail> = pool.call(RESIZE, Picture(vec![1]));
        let _: Thumbnail = task.timeout(SECOND).await?;
        match pool.call(PARSE, "x".to_owned()).await {
            Err(Exit::Lost(lost)) => println!("{lost}"),
            Ok(_) | Err(_) => {}
        }
        let (_good, _bad) = pool.async_stream(HASH, vec![vec![1u8], vec![2]]).max_concurrency(2).unordered().zip_input_on_exit().partition().await;

        let cluster = Cluster::connect("nats://127.0.0.1:4222").await?;
        let worker = cluster.worker(functions()).group("pictures").slots(8).isolated(pool.clone());
        let tree = Supervisor::builder(Strategy::OneForOne).child(pool.child_spec()).child(worker.child_spec("worker")).start().await?;
        let _: u64 = cluster.call(HASH, vec![1]).timeout(SECOND).await?;
        let job: Job<Thumbnail> = cluster.submit(RESIZE, Picture(vec![1])).group("pictures").key("invoice-7").attempts(5).await?;
        let id = job.id().clone();
        let again: Job<Thumbnail> = cluster.attach(RESIZE, &id);
        let _: Thumbnail = again.timeout(30 * SECOND).await?;
        job.cancel().await?;
        let (_numbers, _exits) = cluster.async_stream(HASH, (0..9u8).map(|n| vec![n])).group("pictures").max_concurrency(4).partition().await;
        println!("{:?}, {:?}", cluster.nodes().await?, cluster.dead_letters("pictures").await?.len());
        tree.stop().await;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })
}
