//! What encryption at rest costs: a sealed storage against the same in plain.

use std::any::Any;
use std::rc::Rc;

use omemo_storage::{MasterKey, Sealed, Storage};

use super::message::compare;
use super::race::{Guarded, Race};
use super::sender::Sender;
use super::{Group, MANY, Prepared, Wanted, embedded};
use crate::measure::{Failure, Item};
use crate::servers::{Postgres, Redis, random};

pub(super) const SQLITE: Group = Group {
    names: &SQLITE_NAMES,
    prepare: on_sqlite,
};

pub(super) const POSTGRES: Group = Group {
    names: &POSTGRES_NAMES,
    prepare: on_postgres,
};

pub(super) const REDIS: Group = Group {
    names: &REDIS_NAMES,
    prepare: on_redis,
};

/// A commit of a hundred records, a load of a hundred partitions, a message to a hundred devices.
type Names = [&'static str; 3];

const SQLITE_NAMES: Names = [
    "sealed_sqlite_commit_100",
    "sealed_sqlite_load_100",
    "sealed_sqlite_send_100",
];

const POSTGRES_NAMES: Names = [
    "sealed_postgres_commit_100",
    "sealed_postgres_load_100",
    "sealed_postgres_send_100",
];

const REDIS_NAMES: Names = [
    "sealed_redis_commit_100",
    "sealed_redis_load_100",
    "sealed_redis_send_100",
];

/// The ciphers are faster than what is around them.
const BAR: f64 = 1.25;

fn on_sqlite(wanted: &Wanted<'_>) -> Result<Prepared, Failure> {
    let databases = embedded::databases()?;
    let open = |name: &str| embedded::open(&databases, name);
    let items = items(wanted, SQLITE_NAMES, &open, &databases)?;
    Ok(Prepared::of(items))
}

fn on_postgres(wanted: &Wanted<'_>) -> Result<Prepared, Failure> {
    let schemas: Rc<[Postgres; 4]> = Rc::new([
        Postgres::new()?,
        Postgres::new()?,
        Postgres::new()?,
        Postgres::new()?,
    ]);
    let number = std::cell::Cell::new(0);
    let open = |_: &str| {
        let schema = schemas.get(number.replace(number.get() + 1));
        schema.ok_or("there are four databases")?.open()
    };
    let items = items(wanted, POSTGRES_NAMES, &open, &schemas)?;
    for schema in schemas.iter().take(number.get()) {
        schema.execute("VACUUM ANALYZE $.omemo_record")?;
    }
    Ok(Prepared::of(items))
}

fn on_redis(wanted: &Wanted<'_>) -> Result<Prepared, Failure> {
    let servers: Rc<[Redis; 4]> =
        Rc::new([Redis::start()?, Redis::start()?, Redis::start()?, Redis::start()?]);
    let number = std::cell::Cell::new(0);
    let open = |_: &str| {
        let server = servers.get(number.replace(number.get() + 1));
        server.ok_or("there are four servers")?.open()
    };
    let items = items(wanted, REDIS_NAMES, &open, &servers)?;
    Ok(Prepared::of(items))
}

/// Each storage that `open` opens is empty, and stays as long as `kept`.
fn items<S: Storage + 'static>(
    wanted: &Wanted<'_>,
    [commit, load, send]: Names,
    open: &dyn Fn(&str) -> Result<S, Failure>,
    kept: &Rc<impl Any>,
) -> Result<Vec<Item>, Failure> {
    let seal = |storage| -> Result<_, Failure> { Ok(Sealed::new(storage, MasterKey::from_bytes(random()?))) };
    let mut items = Vec::new();
    if (wanted.item)(commit) || (wanted.item)(load) {
        let sealed = Guarded::new(seal(open("sealed_records.db")?)?)?;
        let race = Race::new(sealed, Guarded::new(open("plain_records.db")?)?)?;
        items.push(race.commit(commit, BAR, MANY));
        items.push(race.load(load, BAR, MANY));
    }
    if (wanted.item)(send) {
        let sealed = Rc::new(Sender::open(seal(open("sealed_client.db")?)?, MANY, 1)?);
        let plain = Rc::new(Sender::open(open("plain_client.db")?, MANY, 1)?);
        items.push(compare(send, BAR, MANY, (&sealed, &plain))?);
    }
    let items = items.into_iter().filter(|item| (wanted.item)(item.name()));
    Ok(items.map(|item| item.keeping(kept)).collect())
}
