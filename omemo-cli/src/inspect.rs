//! `omemo inspect`: what a storage holds. Names, revisions and sizes; never a value.

use std::io::Write;

use omemo_storage::blocking::Storage;
use omemo_storage::{AccountId, AnyStorage, Cursor, Page, RecordInfo, StorageError};

use crate::failure::Failure;
use crate::storage_url::Source;
use crate::text::{counted, grouped, shown};

/// How many entries are asked for at a time.
const PAGE: usize = 500;

/// How much of a revision is shown: four bytes are enough to see that a record has changed.
const REVISION: usize = 4;

/// Lists what the storage holds.
pub(crate) fn run(source: &Source, out: &mut impl Write) -> Result<(), Failure> {
    let storage = source.open()?;
    let mut total = Total::default();
    for account in accounts(&storage)? {
        let records = records(&storage, &account)?;
        total.add(list(&account, &records, out)?);
    }
    let accounts = counted(total.accounts, "account");
    writeln!(out, "{accounts}, {}", total.records_and_bytes())?;
    Ok(())
}

/// Every account of a storage.
pub(crate) fn accounts(storage: &AnyStorage) -> Result<Vec<AccountId>, StorageError> {
    all(|after| storage.accounts(after, PAGE))
}

/// Every record of an account, by partition and item.
pub(crate) fn records(storage: &AnyStorage, account: &AccountId) -> Result<Vec<RecordInfo>, StorageError> {
    let mut records = all(|after| storage.records(account, after, PAGE))?;
    records.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(records)
}

fn all<T>(page: impl Fn(Option<&Cursor>) -> Result<Page<T>, StorageError>) -> Result<Vec<T>, StorageError> {
    let mut entries = Vec::new();
    let mut after = None;
    loop {
        let page = page(after.as_ref())?;
        entries.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(entries),
        }
    }
}

fn list(account: &AccountId, records: &[RecordInfo], out: &mut impl Write) -> Result<Total, Failure> {
    let width = records
        .iter()
        .map(|record| record.key.item.as_str().chars().count())
        .max()
        .unwrap_or_default();
    writeln!(out, "{}", shown(account.as_str()))?;
    for partition in records.chunk_by(|one, other| one.key.partition == other.key.partition) {
        if let Some(first) = partition.first() {
            writeln!(out, "  {}", shown(first.key.partition.as_str()))?;
        }
        for record in partition {
            let (item, revision, bytes) = (&record.key.item, revision(record), grouped(record.bytes as u64));
            writeln!(
                out,
                "    {item:<width$}  {revision}  {bytes:>9} bytes",
                item = shown(item.as_str())
            )?;
        }
    }
    let total = Total {
        accounts: 1,
        records: records.len() as u64,
        bytes: records.iter().map(|record| record.bytes as u64).sum(),
    };
    writeln!(out, "  {}\n", total.records_and_bytes())?;
    Ok(total)
}

fn revision(record: &RecordInfo) -> String {
    let shown = record.revision.as_bytes().iter().take(REVISION);
    shown.map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct Total {
    accounts: u64,
    records: u64,
    bytes: u64,
}

impl Total {
    fn add(&mut self, other: Self) {
        self.accounts += other.accounts;
        self.records += other.records;
        self.bytes += other.bytes;
    }

    fn records_and_bytes(&self) -> String {
        format!(
            "{}, {}",
            counted(self.records, "record"),
            counted(self.bytes, "byte")
        )
    }
}
