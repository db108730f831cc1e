//! Answering a query with one statement, whatever it asks for.

use std::borrow::Cow;

use omemo_storage::{AccountId, Key, Query, Record, Revision, Snapshot, StorageError, Value};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::call::Argument;
use crate::connections::{Connections, Kind};
use crate::error::{corrupt, error};
use crate::stored::Stored;

pub(crate) async fn load(
    connections: &Connections,
    account: &AccountId,
    query: &Query,
) -> Result<Snapshot, StorageError> {
    let account = Stored::new(account.as_str());
    let wanted = Wanted::new(query);
    let (whole, partitions, items) = wanted.arguments();
    let call = connections.call(
        |statements| match connections.kind() {
            Kind::SetUp => &statements.own_load,
            Kind::Plain | Kind::Shared => &statements.load,
        },
        vec![
            Argument::Text(&account.key),
            Argument::Texts(whole),
            Argument::Texts(partitions),
            Argument::Texts(items),
        ],
    );
    let rows = connections.run(call).await?.map_err(error)?;
    let records = rows.iter().map(record).collect::<Result<_, _>>()?;
    Ok(Snapshot::new(records))
}

/// The query in names as they are stored. Records of a partition that is asked for whole are not asked for again.
struct Wanted<'a> {
    whole: Vec<Cow<'a, str>>,
    records: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Wanted<'a> {
    fn new(query: &'a Query) -> Self {
        let key = |name: &'a str| Stored::new(name).key;
        let whole = query.partitions.iter().map(|name| key(name.as_str()));
        let records = query
            .records
            .iter()
            .filter(|record| !query.partitions.contains(&record.partition))
            .map(|record| (key(record.partition.as_str()), key(record.item.as_str())));
        Self {
            whole: whole.collect(),
            records: records.collect(),
        }
    }

    /// Nothing instead of lists without elements.
    #[expect(clippy::type_complexity, reason = "three lists")]
    fn arguments(&self) -> (Option<Vec<&str>>, Option<Vec<&str>>, Option<Vec<&str>>) {
        let whole = (!self.whole.is_empty()).then(|| self.whole.iter().map(|name| &**name).collect());
        let (partitions, items) = (!self.records.is_empty())
            .then(|| {
                self.records
                    .iter()
                    .map(|(partition, item)| (&**partition, &**item))
                    .unzip()
            })
            .unzip();
        (whole, partitions, items)
    }
}

fn record(row: &PgRow) -> Result<(Key, Record), StorageError> {
    let value: Vec<u8> = row.try_get(3).map_err(error)?;
    let record = Record {
        revision: revision(row)?,
        value: Value::from(value),
    };
    Ok((key(row)?, record))
}

/// The key in the first two columns.
pub(crate) fn key(row: &PgRow) -> Result<Key, StorageError> {
    let partition = row.try_get(0).map_err(error)?;
    let item = row.try_get(1).map_err(error)?;
    Key::new(partition, item).map_err(|invalid| corrupt("a stored name is not one").with_source(invalid))
}

/// The revision in the third column.
pub(crate) fn revision(row: &PgRow) -> Result<Revision, StorageError> {
    let bytes: Vec<u8> = row.try_get(2).map_err(error)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| corrupt("a stored revision does not have 16 bytes"))?;
    Ok(Revision::from_bytes(bytes))
}
