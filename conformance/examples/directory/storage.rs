//! A storage in a directory of files, with nothing but the standard library.
//!
//! Each account is in the file that the hash of its name gives; accounts with the same hash share one. A commit takes
//! the lock that stands beside the file, reads the file, writes another with the batch applied, and moves that into its
//! place: so it is there whole or not at all, and whoever reads needs no lock. It costs as much as the account is large,
//! which is the price of so few lines.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind as Io, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Cursor, ErrorKind, Key, Page, Query, Record, RecordInfo, Revision,
    Snapshot, StorageError, Value, Write, blocking,
};

/// What every file begins with: the name of the format, and its version.
const HEADER: &[u8] = b"omemo-directory 1\n";
/// How long the ids of commits are remembered.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The accounts in one file.
type Accounts = BTreeMap<AccountId, Account>;

/// What one account has.
#[derive(Default)]
struct Account {
    records: BTreeMap<Key, Record>,
    /// The last commits, and when they were applied, in seconds since 1970.
    commits: BTreeMap<CommitId, u64>,
}

/// A storage in a directory. All handles on one directory, in all processes, share what is in it.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryStorage {
    directory: PathBuf,
}

impl DirectoryStorage {
    /// Uses a directory, which is made where there is none.
    pub(crate) fn open(directory: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(not_done)?;
        Ok(Self { directory })
    }

    fn file_of(&self, account: &AccountId) -> PathBuf {
        // FNV-1a: it need not be strong, for accounts that share a file are told apart by name.
        let hash = account
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        self.directory.join(format!("{hash:016x}.accounts"))
    }

    /// Changes what is in the file of an account, with nobody in between. `change` tells its answer, and whether there
    /// is something to write.
    fn change<T>(
        &self,
        account: &AccountId,
        change: impl FnOnce(&mut Accounts) -> (T, bool),
    ) -> Result<T, StorageError> {
        let file = self.file_of(account);
        // The lock is a file of its own that stays: one that is replaced would be locked in two versions.
        let lock = File::create(file.with_extension("lock")).map_err(not_done)?;
        lock.lock().map_err(not_done)?;
        let mut accounts = read(&file)?;
        let (answer, is_changed) = change(&mut accounts);
        if is_changed {
            let new = file.with_extension("new");
            write_durably(&new, &encode(&accounts)).map_err(not_done)?;
            fs::rename(&new, &file).map_err(not_done)?;
            // It is moved, but perhaps not for good.
            let moved = File::open(&self.directory).and_then(|directory| directory.sync_all());
            moved.map_err(|error| failed(ErrorKind::OutcomeUnknown, error))?;
        }
        Ok(answer)
    }
}

impl blocking::Storage for DirectoryStorage {
    fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        let mut accounts = read(&self.file_of(account))?;
        let mut account = accounts.remove(account).unwrap_or_default();
        account.records.retain(|key, _| query.covers(key));
        Ok(Snapshot::new(account.records))
    }

    fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        batch.check()?;
        self.change(account, |accounts| {
            accounts.entry(account.clone()).or_default().commit(batch)
        })
    }

    fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(not_done)? {
            let file = entry.map_err(not_done)?.path();
            // The cursor is the file and the name of the last account.
            let is_ahead =
                after.is_none_or(|after| *text(&file) >= *after.0.split('\0').next().unwrap_or_default());
            if is_ahead && file.extension().is_some_and(|extension| extension == "accounts") {
                files.push(file);
            }
        }
        files.sort();
        let listed = files.iter().flat_map(|file| match read(file) {
            Ok(accounts) => accounts
                .into_iter()
                .filter(|(_, account)| !account.records.is_empty())
                .map(|(name, _)| Ok((format!("{}\0{name}", text(file)), name)))
                .collect(),
            Err(error) => vec![Err(error)],
        });
        page(listed, after, limit)
    }

    fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        let mut accounts = read(&self.file_of(account))?;
        let account = accounts.remove(account).unwrap_or_default();
        let listed = account.records.into_iter().map(|(key, record)| {
            let (revision, bytes) = (record.revision, record.value.len());
            let position = format!("{}\0{}", key.partition, key.item);
            Ok((position, RecordInfo { key, revision, bytes }))
        });
        page(listed, after, limit)
    }

    fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.change(account, |accounts| ((), accounts.remove(account).is_some()))
    }
}

impl Account {
    fn commit(&mut self, batch: &Batch) -> (Committed, bool) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        if self.commits.contains_key(&batch.id()) {
            return (Committed::Applied, false);
        }
        for (key, stake) in batch.stakes() {
            if self.records.get(key).map(|record| record.revision) != stake.expected {
                return (Committed::Conflict, false);
            }
        }
        for (key, stake) in batch.stakes() {
            match &stake.write {
                Write::Keep => {}
                Write::Put(value) => {
                    let (revision, value) = (batch.id().into(), value.clone());
                    self.records.insert(key.clone(), Record { revision, value });
                }
                Write::Delete => drop(self.records.remove(key)),
            }
        }
        self.commits.retain(|_, at| *at + REMEMBERED.as_secs() >= now);
        self.commits.insert(batch.id(), now);
        (Committed::Applied, true)
    }
}

/// The first entries after the cursor, of a listing in which each has its position and positions ascend.
fn page<T>(
    listed: impl Iterator<Item = Result<(String, T), StorageError>>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<T>, StorageError> {
    let (mut entries, mut last) = (Vec::new(), None);
    for entry in listed {
        let (position, entry) = entry?;
        if after.is_some_and(|after| position <= after.0) {
            continue;
        }
        if entries.len() >= limit.max(1) {
            return Ok(Page {
                entries,
                next: last.map(Cursor),
            });
        }
        entries.push(entry);
        last = Some(position);
    }
    Ok(Page { entries, next: None })
}

fn read(file: &Path) -> Result<Accounts, StorageError> {
    match fs::read(file) {
        Ok(bytes) => decode(&bytes).ok_or_else(|| StorageError::new(ErrorKind::Corrupt, "a file is damaged")),
        Err(error) if error.kind() == Io::NotFound => Ok(Accounts::new()),
        Err(error) => Err(not_done(error)),
    }
}

fn write_durably(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn encode(accounts: &Accounts) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    let field = |bytes: &mut Vec<u8>, field: &[u8]| {
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field);
    };
    for (name, account) in accounts {
        field(&mut bytes, name.as_str().as_bytes());
        bytes.extend((account.records.len() as u64).to_be_bytes());
        for (key, record) in &account.records {
            field(&mut bytes, key.partition.as_str().as_bytes());
            field(&mut bytes, key.item.as_str().as_bytes());
            bytes.extend(record.revision.as_bytes());
            field(&mut bytes, record.value.as_bytes());
        }
        bytes.extend((account.commits.len() as u64).to_be_bytes());
        for (id, at) in &account.commits {
            bytes.extend(id.as_bytes());
            bytes.extend(at.to_be_bytes());
        }
    }
    bytes
}

/// `None` if it is not what [`encode`] has made.
fn decode(bytes: &[u8]) -> Option<Accounts> {
    let mut rest = bytes.strip_prefix(HEADER)?;
    let mut accounts = Accounts::new();
    while !rest.is_empty() {
        let name = AccountId::new(&string(&mut rest)?).ok()?;
        let mut account = Account::default();
        for _ in 0..number(&mut rest)? {
            let key = Key::new(&string(&mut rest)?, &string(&mut rest)?).ok()?;
            let revision = Revision::from_bytes(take(&mut rest)?);
            let value = Value::from(field(&mut rest)?.to_vec());
            account.records.insert(key, Record { revision, value });
        }
        for _ in 0..number(&mut rest)? {
            let id = CommitId::from_bytes(take(&mut rest)?);
            account.commits.insert(id, number(&mut rest)?);
        }
        accounts.insert(name, account);
    }
    Some(accounts)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, remaining) = rest.split_first_chunk()?;
    *rest = remaining;
    Some(*taken)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (field, remaining) = rest.split_at_checked(length)?;
    *rest = remaining;
    Some(field)
}

fn string(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(field(rest)?.to_vec()).ok()
}

fn text(file: &Path) -> std::borrow::Cow<'_, str> {
    file.file_stem().unwrap_or_default().to_string_lossy()
}

fn not_done(error: io::Error) -> StorageError {
    let is_full = matches!(error.kind(), Io::StorageFull | Io::QuotaExceeded);
    failed(
        if is_full {
            ErrorKind::Full
        } else {
            ErrorKind::Unavailable
        },
        error,
    )
}

fn failed(kind: ErrorKind, error: io::Error) -> StorageError {
    StorageError::new(kind, format!("the directory cannot be used: {error}")).with_source(error)
}
