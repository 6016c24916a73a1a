//! `Cluster::nodes`: the nodes that answer; whether a group is served; and the request to drain a node.
//!
//! Each node answers a request on one subject, and its own subject takes requests to it alone. That is NATS's own request and
//! reply with several answers; nothing keeps a list of members.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::cluster::{Cluster, ClusterShared};
use crate::connect_error::ConnectError;
use crate::names::checked;
use crate::net::NetError;
use crate::streams::{has_open_requests, refused};

/// How long `nodes` waits for the first answer, and after each answer for another one.
const FIRST_ANSWER: Duration = Duration::from_millis(600);
const NEXT_ANSWER: Duration = Duration::from_millis(150);

/// A node of a fleet: a worker, which has the name of its program.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The group whose jobs it runs.
    pub group: String,
    /// How many jobs and calls it runs at once.
    pub slots: usize,
    /// How many of them run or have arrived, including the jobs whose results are on their way to the server.
    pub running: usize,
    /// The names of its functions.
    pub functions: Vec<String>,
    /// Whether it takes no new jobs and calls, because it stops or was asked to drain.
    pub is_draining: bool,
    /// When it started, by its own clock.
    pub started: SystemTime,
    /// A message of a running job that the server refuses to store, and why: for example a result for which its store has no room. The node sends
    /// the message again until the server stores it. `None` if the server has stored all messages.
    #[serde(default)]
    pub problem: Option<String>,
}

impl Cluster {
    /// Returns the nodes that answer, in the order of their names. Takes as long as the slowest answer and another
    /// 150 ms, or 600 ms if there are nodes and none answers. A node is missing if it is frozen or cut off, or answers too late: the first
    /// answer must come within 600 ms, and each further one within 150 ms of the one before.
    ///
    /// # Errors
    ///
    /// If the connection has ended, or the client does not take the question within 2.5 s, because it is reconnecting and its queue is full.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn nodes(&self) -> Result<Vec<Node>, ConnectError> {
        let shared = &self.shared;
        let error = |error| refused("ask the nodes of the fleet", error);
        shared.subscribe_calls().await?;
        let mut waiter = shared.calls.add();
        let reply = format!("{}.{}", shared.call_inbox, waiter.number());
        shared.connection.publish_with_reply(shared.subjects.nodes(), reply, Bytes::new()).await.map_err(error)?;
        let mut nodes = Vec::new();
        let mut deadline = Instant::now() + FIRST_ANSWER;
        while let Ok(message) = timeout_at(deadline, waiter.next()).await {
            if message.status.is_some() {
                // No responders: there is no node.
                break;
            }
            nodes.extend(serde_json::from_slice::<Node>(&message.payload).ok());
            deadline = Instant::now() + NEXT_ANSWER;
        }
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// Returns whether a worker of the group waits for jobs, or runs jobs or calls. A worker without a free slot is asked, and counts as gone if it
    /// does not answer [as `nodes` expects](Cluster::nodes).
    ///
    /// # Errors
    ///
    /// If the name of the group is invalid, the server does not answer, or the login may not look at the consumer of the group. A login that may
    /// not ask nodes sees a worker without a free slot as gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn is_served(&self, group: &str) -> Result<bool, ConnectError> {
        let group = checked("group", group)?;
        let ClusterShared { connection, subjects, .. } = &*self.shared;
        let is_waiting = has_open_requests(connection, subjects, &group).await;
        if is_waiting.map_err(|error| refused("look at the workers of a group", error))? {
            return Ok(true);
        }
        // A worker whose slots are all taken, by jobs or calls, has no open request. The server cannot distinguish its jobs from those of a worker
        // that is gone.
        let serves = |node: &Node| *node.group == *group && (node.running > 0 || !node.is_draining);
        Ok(self.nodes().await?.iter().any(serves))
    }

    /// Asks a node to take no new jobs and calls. Jobs and calls that run there are finished. After that, its worker does nothing until its
    /// supervisor shuts it down. Returns whether there is such a node.
    ///
    /// # Errors
    ///
    /// If the name is invalid, the node does not answer, or the login has no permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the request may have been sent.
    pub async fn drain(&self, node: &str) -> Result<bool, ConnectError> {
        let node = checked("node", node)?;
        let subject = self.shared.subjects.node(&node);
        let answer = self.shared.connection.request(
            &subject,
            async_nats::HeaderMap::new(),
            Bytes::from_static(b"drain"),
            Duration::from_millis(2800),
        );
        match answer.await {
            Ok(_) => Ok(true),
            Err(NetError::NoResponders) => Ok(false),
            Err(error) => Err(refused(&format!("drain the node {node:?}"), error)),
        }
    }
}
