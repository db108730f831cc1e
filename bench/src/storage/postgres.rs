//! PostgreSQL, on the server that is there.

use std::rc::Rc;

use super::bare::PostgresUpsert;
use super::message::send;
use super::race::{Guarded, Race, Unguarded};
use super::sender::Sender;
use super::{BAR_SERVER, COMMITS, Group, MANY, Prepared, Wanted};
use crate::measure::Failure;
use crate::servers::Postgres;

pub(super) const GROUP: Group = Group {
    names: &[
        "postgres_commit_1",
        "postgres_commit_10",
        "postgres_commit_100",
        "postgres_commit_1000",
        SEND,
    ],
    prepare,
};

const COMMIT_NAMES: [&str; COMMITS.len()] = [
    "postgres_commit_1",
    "postgres_commit_10",
    "postgres_commit_100",
    "postgres_commit_1000",
];

const SEND: &str = "postgres_send_100";

fn prepare(wanted: &Wanted<'_>) -> Result<Prepared, Failure> {
    let mut items = Vec::new();
    if COMMIT_NAMES.iter().any(|name| (wanted.item)(name)) {
        let postgres = Rc::new(Postgres::new()?);
        let floor = Unguarded::new(PostgresUpsert::open(&postgres, "bare")?)?;
        let race = Race::new(Guarded::new(postgres.open()?)?, floor)?;
        postgres.execute("VACUUM ANALYZE $.omemo_record")?;
        let commits = race.commits(wanted, &COMMIT_NAMES).into_iter();
        items.extend(commits.map(|item| item.keeping(&postgres)));
    }
    if (wanted.item)(SEND) {
        let postgres = Rc::new(Postgres::new()?);
        let sender = Rc::new(Sender::open(postgres.open()?, MANY, 1)?);
        let upsert = PostgresUpsert::open(&postgres, "bare")?;
        postgres.execute("VACUUM ANALYZE $.omemo_record")?;
        items.push(send(SEND, BAR_SERVER, MANY, &sender, upsert)?.keeping(&postgres));
    }
    Ok(Prepared::of(items))
}
