//! A cache as a server, whose entries expire.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashMap;
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef, Timer};

/// Each value with the timer that removes it. The timer is cancelled when another value replaces this one.
#[derive(Default)]
struct Cache(HashMap<u32, (String, Timer)>);
struct Get(u32);
/// Sets a value for a minute, or removes it.
struct Set(u32, Option<String>);

impl Server for Cache {}
impl Handle<Get> for Cache {
    type Reply = Option<String>;
    async fn handle(&mut self, Get(key): Get, _: &mut Context<Self>) -> Option<String> {
        self.0.get(&key).map(|(value, _)| value.clone())
    }
}
impl Handle<Set> for Cache {
    type Reply = ();
    async fn handle(&mut self, Set(key, value): Set, ctx: &mut Context<Self>) {
        match value {
            Some(value) => self.0.insert(key, (value, ctx.send_after(Duration::from_secs(60), Set(key, None)))),
            None => self.0.remove(&key),
        };
    }
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let cache = ServerRef::start(Cache::default);
        cache.cast(Set(7, Some("seven".to_owned()))).await?;
        println!("{:?} {:?}", cache.call(Get(7)).await?, cache.call(Get(8)).await?);
        Ok::<(), cordial::Exit>(())
    })
}
