//! Telling a copy of a database from the one that was last in use.
//!
//! A mark is a random id. One is put into the database when it is opened, and with one commit in sixteen; the last one that
//! was put there stands in a file beside the database as well, with what the file system knows the database by. So a
//! database that lacks the mark of that file is older than it was, and one without such a file, or with that of another, is
//! a copy.
//!
//! The file is written after the commit and need not reach the disk: older marks are in the database too. But only the last
//! thousand are, so of a file that never got there a power failure would leave one whose mark is forgotten, and the database
//! would be refused. So the file is put on the disk where a database is opened, and with one mark in 32, which is one commit
//! in 512: each handle counts its own, and 30 may write at once before a thousand marks can come between.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use omemo_storage::{CommitId, ErrorKind, StorageError};
use sqlx::{Connection, SqliteConnection};

use crate::error::{error, is_read_only};
use crate::mark_file::{Beside, MARK};

/// How many marks in a row may stay off the disk.
const UNSYNCED: u32 = 31;

/// Whether a commit is a mark too; the trigger in `migrations` decides alike.
fn is_mark(id: CommitId) -> bool {
    id.as_bytes().last() >= Some(&0xf0)
}

/// What a database turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The one that was last in use, and its mark in the file.
    InUse([u8; MARK]),
    /// New, or of a version that did not mark.
    Unmarked,
    /// Not what it was.
    Strange(Strange),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strange {
    /// There is no file beside it.
    Alone,
    /// The file beside it is that of another.
    Copy,
    /// So is the file, of a former one in its own place.
    PutBack,
    /// It lacks the mark in the file.
    Older,
}

/// The marks of an open database.
pub(crate) struct Marks {
    beside: Beside,
    /// How many marks of this handle's have come since the file was put on the disk.
    unsynced: AtomicU32,
}

impl Marks {
    /// Looks whether the database is the one that was last in use, and marks it. Nothing is looked at where there is no
    /// file, or where it cannot be written: who only reads uses up no keys.
    pub(crate) async fn open(
        connection: &mut SqliteConnection,
        accepts_copy: bool,
    ) -> Result<Option<Self>, StorageError> {
        let Some(database) = file_of(connection).await? else {
            return Ok(None);
        };
        let beside = Beside::of(database)?;
        match mark(connection, &beside, accepts_copy).await {
            Err(busy) if busy.kind() == ErrorKind::Unavailable => {
                match state(connection, &beside).await? {
                    // Whoever is writing has marked it.
                    State::InUse(_) => Ok(Some(Self::new(beside))),
                    State::Strange(strange) if !accepts_copy => Err(strange.error(&beside)),
                    State::Unmarked | State::Strange(_) => Err(busy),
                }
            }
            marked => Ok(marked?.then(|| Self::new(beside))),
        }
    }

    fn new(beside: Beside) -> Self {
        Self {
            beside,
            unsynced: AtomicU32::new(0),
        }
    }

    /// Notes a commit that was applied, if it is a mark. If that fails, an older mark remains, which will do; what could not
    /// be put on the disk is tried again with the next one.
    pub(crate) fn applied(&self, id: CommitId) {
        if !is_mark(id) {
            return;
        }
        let mark = *id.as_bytes();
        if self.unsynced.fetch_add(1, Ordering::Relaxed) < UNSYNCED {
            let _ = self.beside.write(mark);
        } else if self.beside.write_durably(mark).is_ok() {
            self.unsynced.store(0, Ordering::Relaxed);
        }
    }
}

/// Marks the database; answers false if it cannot be written.
async fn mark(
    connection: &mut SqliteConnection,
    beside: &Beside,
    accepts_copy: bool,
) -> Result<bool, StorageError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(error)?;
    let state = state(&mut transaction, beside).await?;
    let mark = match put(&mut transaction).await {
        Ok(mark) => mark,
        Err(failed) if is_read_only(&failed) => return Ok(false),
        Err(failed) => return Err(error(failed)),
    };
    if let State::Strange(strange) = state
        && !accepts_copy
    {
        return Err(strange.error(beside));
    }
    // Others may open the database as soon as it has a mark, and look for the file. Until then, and if this comes to
    // nothing, a mark that is there already does.
    beside.renew(match state {
        State::InUse(before) => before,
        State::Unmarked | State::Strange(_) => mark,
    })?;
    transaction.commit().await.map_err(error)?;
    beside
        .write_durably(mark)
        .map_err(|failed| beside.unwritable(failed))?;
    Ok(true)
}

/// The file is read first: marks that come meanwhile are in the database.
async fn state(connection: &mut SqliteConnection, beside: &Beside) -> Result<State, StorageError> {
    let noted = beside.read().await?;
    let is_marked = "SELECT EXISTS (SELECT 1 FROM omemo_mark)";
    let is_marked = sqlx::query_scalar(is_marked).fetch_one(&mut *connection);
    let is_marked: bool = is_marked.await.map_err(error)?;
    match noted {
        None if is_marked => Ok(State::Strange(Strange::Alone)),
        None => Ok(State::Unmarked),
        Some((noted, file)) if is_marked => {
            if !noted.database.matches(beside.identity) {
                return Ok(State::Strange(Strange::Copy));
            }
            if !noted.file.matches(file) {
                return Ok(State::Strange(Strange::PutBack));
            }
            let has_it = "SELECT EXISTS (SELECT 1 FROM omemo_mark WHERE id = ?1)";
            let has_it = sqlx::query_scalar(has_it).bind(noted.mark.as_slice());
            let has_it: bool = has_it.fetch_one(connection).await.map_err(error)?;
            Ok(if has_it {
                State::InUse(noted.mark)
            } else {
                State::Strange(Strange::Older)
            })
        }
        Some(_) => {
            let is_new = "SELECT NOT EXISTS (SELECT 1 FROM omemo_framed)";
            let is_new: bool = sqlx::query_scalar(is_new)
                .fetch_one(connection)
                .await
                .map_err(error)?;
            // A new one in place of one that was removed, or a copy from before there were marks.
            Ok(if is_new {
                State::Unmarked
            } else {
                State::Strange(Strange::Older)
            })
        }
    }
}

impl Strange {
    fn error(self, beside: &Beside) -> StorageError {
        let (database, mark) = (beside.database.display(), beside.file.display());
        let why = match self {
            Self::Alone => format!("the database {database} is a copy: there is no {mark}"),
            Self::Copy => {
                format!("the database {database} is a copy: {mark} is that of another file")
            }
            Self::PutBack => {
                format!("the database {database} is an older copy: {mark} was put back along with it")
            }
            Self::Older => {
                format!("the database {database} is an older copy: it lacks commits that {mark} knows of")
            }
        };
        let message = format!(
            "{why}. Its sessions and pre keys would be used twice: `omemo accept-copy sqlite:{database}` drops them and \
             accepts it. If it was moved as a whole, and nothing has used the original since, accept it as it is, by \
             `--moved` there, or by `SqliteOptions::accept_copy` in a program; of any other copy `Builder::accept_copy` must \
             drop them besides"
        );
        StorageError::new(ErrorKind::Copy, message)
    }
}

/// Where the database is; nothing if it lives in memory.
pub(crate) async fn file_of(connection: &mut SqliteConnection) -> Result<Option<PathBuf>, StorageError> {
    let file: Option<String> =
        sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
            .fetch_one(connection)
            .await
            .map_err(error)?;
    Ok(file.filter(|file| !file.is_empty()).map(PathBuf::from))
}

/// Puts a new mark into the database.
async fn put(connection: &mut SqliteConnection) -> Result<[u8; MARK], sqlx::Error> {
    let mark: Vec<u8> =
        sqlx::query_scalar("INSERT INTO omemo_mark (id) VALUES (randomblob(16)) RETURNING id")
            .fetch_one(connection)
            .await?;
    mark.try_into()
        .map_err(|_| sqlx::Error::Decode("a mark does not have 16 bytes".into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use std::fs;

    use omemo_storage::{AccountId, Batch, Committed, Storage};
    use tempfile::TempDir;

    use super::*;
    use crate::SqliteStorage;

    async fn commit_mark(storage: &SqliteStorage, number: u64) {
        let mut id = [0xff; MARK];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let account = AccountId::new("romeo@montague.lit").unwrap();
        let batch = Batch::new(CommitId::from_bytes(id));
        assert_eq!(
            storage.commit(&account, &batch).await.unwrap(),
            Committed::Applied
        );
    }

    /// After a power failure the file is what it was when it reached the disk last.
    #[tokio::test]
    async fn file_that_reached_the_disk_will_do_however_many_commits_follow() {
        let directory = TempDir::new().unwrap();
        let database = directory.path().join("omemo.db");
        let mut number = 0;
        for commits in [1, UNSYNCED, 1_100, 2_500] {
            let storage = SqliteStorage::open(&database).await.unwrap();
            let marks = storage.marks.as_ref().unwrap();
            let file = marks.beside.file.clone();
            let mut on_disk = fs::read(&file).unwrap();
            let mut most = 0;
            for _ in 0..commits {
                number += 1;
                commit_mark(&storage, number).await;
                let unsynced = marks.unsynced.load(Ordering::Relaxed);
                if unsynced == 0 {
                    on_disk = fs::read(&file).unwrap();
                }
                most = most.max(unsynced);
            }
            storage.close().await;
            assert_eq!(most, UNSYNCED.min(commits));
            fs::write(&file, on_disk).unwrap();
        }
        SqliteStorage::open(&database).await.unwrap().close().await;
    }

    /// A file that cannot be written is no reason to refuse commits, and is put on the disk as soon as it can.
    #[tokio::test]
    async fn file_that_cannot_be_put_on_the_disk_is_tried_again_with_the_next_mark() {
        let directory = TempDir::new().unwrap();
        let database = directory.path().join("omemo.db");
        let storage = SqliteStorage::open(&database).await.unwrap();
        let marks = storage.marks.as_ref().unwrap();
        let (file, away) = (&marks.beside.file, directory.path().join("away"));
        fs::rename(file, &away).unwrap();
        for number in 0..u64::from(UNSYNCED) + 5 {
            commit_mark(&storage, number).await;
        }
        assert!(marks.unsynced.load(Ordering::Relaxed) > UNSYNCED);
        fs::rename(&away, file).unwrap();
        commit_mark(&storage, u64::MAX).await;
        assert_eq!(marks.unsynced.load(Ordering::Relaxed), 0);
    }
}
