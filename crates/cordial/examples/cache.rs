//! A cache as a server, whose entries expire. While it loads a value, it answers other callers.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashMap;
use std::time::Duration;

use cordial::server::{Context, Handle, Later, Server, ServerRef};

#[derive(Default)]
struct Cache(HashMap<u32, u64>);
struct Get(u32);
struct Set(u32, Option<u64>);

impl Server for Cache {}
impl Handle<Get> for Cache {
    type Reply = Later<u64>;
    async fn handle(&mut self, Get(key): Get, ctx: &mut Context<Self>) -> Later<u64> {
        let (known, cache) = (self.0.get(&key).copied(), ctx.server());
        ctx.reply_later(async move {
            if let Some(value) = known {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await; // a database
            let value = u64::from(key).pow(2);
            let _ = cache.cast(Set(key, Some(value))).await; // a cache that has stopped keeps no values
            value
        })
    }
}
impl Handle<Set> for Cache {
    type Reply = ();
    async fn handle(&mut self, Set(key, value): Set, ctx: &mut Context<Self>) {
        match value {
            Some(value) => _ = self.0.insert(key, value),
            None => _ = self.0.remove(&key),
        }
        if value.is_some() {
            ctx.send_after(Duration::from_secs(60), Set(key, None)).detach();
        }
    }
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let cache = ServerRef::start(Cache::default);
        println!("{} {}", cache.call(Get(7)).await?, cache.call(Get(7)).await?);
        println!("{}", cache.mailbox());
        Ok::<(), cordial::Exit>(())
    })
}
