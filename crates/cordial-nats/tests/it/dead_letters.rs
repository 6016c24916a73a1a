//! Dead letters with large arguments, which are read in parts.

use cordial_nats::Cluster;

use crate::functions::DOUBLE;
use crate::harness::with_server;

#[test]
fn dead_letters_with_large_arguments_are_returned_a_part_at_a_time() {
    const N_LETTERS: usize = 50;
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        // Makes the streams.
        let _job = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        for n in 0..N_LETTERS {
            let argument = vec![7; 900_000].into();
            client.request(format!("cordial.dead.g.key.{n}"), argument).await.unwrap();
        }
        let mut part = cluster.dead_letters("g").await.unwrap();
        assert!(part.len() < N_LETTERS, "no more after 32 MiB");
        let mut keys = Vec::new();
        while let Some(last) = part.last().cloned() {
            keys.extend(part.iter().filter_map(|letter| letter.id.key()));
            assert!(cluster.remove_dead_letter(&last.id).await.unwrap());
            part = cluster.dead_letters_after(&last).await.unwrap();
        }
        assert_eq!(keys, (0..N_LETTERS).map(|n| n.to_string()).collect::<Vec<_>>());
    });
}
