//! One pipeline of `HSET`s, one for each hash, on a connection to Redis that is held.
//!
//! Every other time it is a transaction. The server reads a long pipeline in pieces and waits for the disk after each, but
//! once after a transaction; of a few `HSET`s, those without are quicker. So the least time is that of the quicker way.

use std::time::Instant;

use omemo_storage::{Key, Name};
use redis::aio::MultiplexedConnection;
use redis::{Client, Pipeline};
use tokio::runtime::Runtime;

use super::{ACCOUNT, Bare};
use crate::measure::Failure;
use crate::servers::{Redis, runtime};

pub(crate) struct RedisPipeline {
    connection: MultiplexedConnection,
    runtime: Runtime,
    in_transaction: bool,
}

impl RedisPipeline {
    /// Under keys that no storage uses.
    pub(crate) fn open(redis: &Redis) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let client = Client::open(redis.url())?;
        Ok(Self {
            connection: runtime.block_on(client.get_multiplexed_async_connection())?,
            runtime,
            in_transaction: false,
        })
    }
}

impl Bare for RedisPipeline {
    fn write(&mut self, keys: &[&Key], values: &[&[u8]], revision: &[u8; 16]) -> Result<f64, Failure> {
        self.in_transaction = !self.in_transaction;
        let begun = Instant::now();
        let mut pipeline = Pipeline::new();
        if self.in_transaction {
            pipeline.atomic();
        }
        let mut last: Option<&Name> = None;
        let mut stored = Vec::new();
        for (key, value) in keys.iter().zip(values) {
            // The rows of a partition follow each other.
            if last != Some(&key.partition) {
                let hash = format!("bare:{{{ACCOUNT}}}:p:{}", key.partition);
                pipeline.cmd("HSET").arg(hash);
                last = Some(&key.partition);
            }
            stored.clear();
            stored.extend_from_slice(revision);
            stored.extend_from_slice(value);
            pipeline.arg(key.item.as_str()).arg(stored.as_slice());
        }
        self.runtime.block_on(pipeline.exec_async(&mut self.connection))?;
        Ok(begun.elapsed().as_secs_f64() * 1e9)
    }
}
