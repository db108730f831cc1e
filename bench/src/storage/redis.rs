//! Redis, on a server of our own.

use std::rc::Rc;

use super::bare::RedisPipeline;
use super::message::send;
use super::race::{Guarded, Race, Unguarded};
use super::sender::Sender;
use super::{BAR_SERVER, COMMITS, Group, MANY, Prepared, Wanted};
use crate::measure::Failure;
use crate::servers::Redis;

pub(super) const GROUP: Group = Group {
    names: &[
        "redis_commit_1",
        "redis_commit_10",
        "redis_commit_100",
        "redis_commit_1000",
        SEND,
    ],
    prepare,
};

const COMMIT_NAMES: [&str; COMMITS.len()] = [
    "redis_commit_1",
    "redis_commit_10",
    "redis_commit_100",
    "redis_commit_1000",
];

const SEND: &str = "redis_send_100";

fn prepare(wanted: &Wanted<'_>) -> Result<Prepared, Failure> {
    let mut items = Vec::new();
    if COMMIT_NAMES.iter().any(|name| (wanted.item)(name)) {
        let redis = Rc::new(Redis::start()?);
        let floor = Unguarded::new(RedisPipeline::open(&redis)?)?;
        let race = Race::new(Guarded::new(redis.open()?)?, floor)?;
        let commits = race.commits(wanted, &COMMIT_NAMES).into_iter();
        items.extend(commits.map(|item| item.keeping(&redis)));
    }
    if (wanted.item)(SEND) {
        let redis = Rc::new(Redis::start()?);
        let sender = Rc::new(Sender::open(redis.open()?, MANY, 1)?);
        let pipeline = RedisPipeline::open(&redis)?;
        items.push(send(SEND, BAR_SERVER, MANY, &sender, pipeline)?.keeping(&redis));
    }
    Ok(Prepared::of(items))
}
