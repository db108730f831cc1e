//! The file beside a database that its last mark stands in.
//!
//! It is made anew whenever the database is opened, and says which file it is: so a former one that is written over it, as
//! a backup that is put back does, is seen not to be at home there.
//!
//! Between two openings it is written over where it is. Whoever reads it meanwhile may find the beginning of the new mark before
//! the end of the former one; so the mark stands there twice, and is read again until both are the same.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use omemo_storage::{ErrorKind, StorageError};
use tokio::time::sleep;

/// What follows the database's name in that of the file.
const SUFFIX: &str = "-mark";

/// What follows that while it is being made.
const NEW: &str = "-new";

/// How often a file is read before what stands in it is none of ours, and how long is waited before it is read again.
/// Writing it takes microseconds, unless the machine takes the writer's processor away.
const READS: usize = 100;
const PAUSE: Duration = Duration::from_millis(5);

/// How many bytes a mark has: as an id of a commit.
pub(crate) const MARK: usize = 16;

/// What the file system knows a file by, from when it is made until it is removed, wherever it is moved within the same
/// file system. 0 is what it does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    inode: u64,
    /// When it was made, in nanoseconds.
    created: u128,
}

/// What stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) database: Identity,
    /// That of the file itself, which files of old do not tell.
    pub(crate) file: Identity,
    pub(crate) mark: [u8; MARK],
}

/// A database, and where the file beside it is.
pub(crate) struct Beside {
    pub(crate) database: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) file: PathBuf,
}

impl Beside {
    pub(crate) fn of(database: PathBuf) -> Result<Self, StorageError> {
        let metadata = fs::metadata(&database).map_err(|failed| unreadable(&database, failed))?;
        let identity = Identity::of(&metadata);
        let mut file = OsString::from(&database);
        file.push(SUFFIX);
        Ok(Self {
            database,
            identity,
            file: file.into(),
        })
    }

    /// Makes the file anew, with a mark in it. Only one may do so at a time.
    pub(crate) fn renew(&self, mark: [u8; MARK]) -> Result<(), StorageError> {
        self.create(mark).map_err(|failed| self.unwritable(failed))
    }

    fn create(&self, mark: [u8; MARK]) -> io::Result<()> {
        let mut new = self.file.clone().into_os_string();
        new.push(NEW);
        // One that was left behind would be no new file.
        match fs::remove_file(&new) {
            Err(failed) if failed.kind() != io::ErrorKind::NotFound => return Err(failed),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&new)?;
        if let Ok(former) = fs::metadata(&self.file)
            && former.is_file()
        {
            file.set_permissions(former.permissions())?;
        }
        self.write_into(&file, mark)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&new, &self.file)?;
        // A power failure must not take it away again.
        if cfg!(unix)
            && let Some(directory) = self.file.parent()
        {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    /// Notes a mark in the file that is there.
    pub(crate) fn write(&self, mark: [u8; MARK]) -> io::Result<File> {
        let file = OpenOptions::new().write(true).open(&self.file)?;
        self.write_into(&file, mark)?;
        Ok(file)
    }

    pub(crate) fn write_durably(&self, mark: [u8; MARK]) -> io::Result<()> {
        self.write(mark)?.sync_all()
    }

    /// In one piece, which is smaller than what a disk writes at once.
    fn write_into(&self, mut file: &File, mark: [u8; MARK]) -> io::Result<()> {
        let noted = Noted {
            database: self.identity,
            file: Identity::of(&file.metadata()?),
            mark,
        };
        file.write_all(noted.to_string().as_bytes())
    }

    /// What stands in the file, and which file it is; nothing if there is none, or if it is none of ours.
    pub(crate) async fn read(&self) -> Result<Option<(Noted, Identity)>, StorageError> {
        for _ in 0..READS {
            match self.read_text() {
                Ok((text, identity)) => {
                    if let Some(noted) = Noted::parse(&text) {
                        return Ok(Some((noted, identity)));
                    }
                }
                Err(failed) if failed.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(failed) => return Err(unreadable(&self.file, failed)),
            }
            sleep(PAUSE).await;
        }
        Ok(None)
    }

    fn read_text(&self) -> io::Result<(String, Identity)> {
        /// More than it ever has.
        const MOST: u64 = 1_024;
        let file = File::open(&self.file)?;
        let identity = Identity::of(&file.metadata()?);
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text)?;
        Ok((String::from_utf8_lossy(&text).into_owned(), identity))
    }

    pub(crate) fn unwritable(&self, failed: io::Error) -> StorageError {
        let kind = match failed.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            _ => ErrorKind::Misconfigured,
        };
        StorageError::new(kind, format!("{} cannot be written", self.file.display())).with_source(failed)
    }
}

fn unreadable(file: &Path, failed: io::Error) -> StorageError {
    let message = format!("{} cannot be read", file.display());
    StorageError::new(ErrorKind::Misconfigured, message).with_source(failed)
}

impl Identity {
    /// Where the file system does not tell.
    const UNKNOWN: Self = Self { inode: 0, created: 0 };

    fn of(metadata: &Metadata) -> Self {
        let created = metadata.created().ok();
        let created = created.and_then(|created| created.duration_since(UNIX_EPOCH).ok());
        Self {
            inode: inode(metadata),
            created: created.map_or(0, |created| created.as_nanos()),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (inode, created) = line.split_once(' ')?;
        Some(Self {
            inode: u64::from_str_radix(inode, 16).ok()?,
            created: u128::from_str_radix(created, 16).ok()?,
        })
    }

    /// Whether it is the same file, as far as both tell.
    pub(crate) fn matches(self, other: Self) -> bool {
        let is_same = |one: u128, other: u128| one == 0 || other == 0 || one == other;
        is_same(self.inode.into(), other.inode.into()) && is_same(self.created, other.created)
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { inode, created } = self;
        write!(f, "{inode:016x} {created:032x}")
    }
}

impl Noted {
    const HEAD: &str = "omemo mark 3";
    /// With the mark once.
    const SECOND_HEAD: &str = "omemo mark 2";
    /// Without the line about the file itself.
    const FIRST_HEAD: &str = "omemo mark 1";

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let head = lines.next()?;
        let database = Identity::parse(lines.next()?)?;
        let file = match head {
            Self::HEAD | Self::SECOND_HEAD => Identity::parse(lines.next()?)?,
            Self::FIRST_HEAD => Identity::UNKNOWN,
            _ => return None,
        };
        let line = lines.next().filter(|mark| mark.len() == 2 * MARK)?;
        if head == Self::HEAD && lines.next() != Some(line) {
            return None;
        }
        let mark = u128::from_str_radix(line, 16).ok()?.to_be_bytes();
        Some(Self { database, file, mark })
    }
}

impl std::fmt::Display for Noted {
    /// Always as long, so that it can be written over.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { database, file, mark } = self;
        let mark = u128::from_be_bytes(*mark);
        write!(
            f,
            "{}\n{database}\n{file}\n{mark:032x}\n{mark:032x}\n",
            Self::HEAD
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again_and_has_one_length() {
        let noted = |inode, created, mark| Noted {
            database: Identity { inode, created },
            file: Identity {
                inode: created as u64,
                created: inode.into(),
            },
            mark: [mark; MARK],
        };
        for noted in [
            noted(0, 0, 0),
            noted(7, 1, 0xab),
            noted(u64::MAX, u128::MAX, 0xff),
        ] {
            let text = noted.to_string();
            assert_eq!(text.len(), 13 + 50 + 50 + 33 + 33);
            assert_eq!(Noted::parse(&text), Some(noted));
        }
        for strange in [
            "",
            "omemo mark 4\n",
            "omemo mark 3\n",
            "omemo mark 3\n0 0\n0 0\n000102030405060708090a0b0c0d0e0f\n",
            "omemo mark 2\n",
            "omemo mark 1\n0 0\n00\n",
            "omemo mark 2\n0 0\n000102030405060708090a0b0c0d0e0f\n",
            "omemo mark 1\n0\n",
        ] {
            assert_eq!(Noted::parse(strange), None);
        }
    }

    /// However much of the new one has been written over the former.
    #[test]
    fn mark_that_is_half_written_is_none() {
        let noted = |mark| Noted {
            database: Identity::UNKNOWN,
            file: Identity::UNKNOWN,
            mark,
        };
        let [former, new] = [noted([0x5f; MARK]), noted([0xa3; MARK])];
        let [before, after] = [&former, &new].map(ToString::to_string);
        for written in 0..=before.len() {
            let (text, rest) = (&after[..written], &before[written..]);
            match Noted::parse(&format!("{text}{rest}")) {
                Some(read) => assert!(read == former || read == new, "{written} bytes written"),
                None => assert!(written > 0 && written < before.len()),
            }
        }
    }

    #[test]
    fn what_was_noted_of_old_is_read() {
        let noted = |file| Noted {
            database: Identity { inode: 7, created: 1 },
            file,
            mark: std::array::from_fn(|n| n as u8),
        };
        let first = "omemo mark 1\n7 1\n000102030405060708090a0b0c0d0e0f\n";
        assert_eq!(Noted::parse(first), Some(noted(Identity::UNKNOWN)));
        let second = "omemo mark 2\n7 1\n8 2\n000102030405060708090a0b0c0d0e0f\n";
        let file = Identity { inode: 8, created: 2 };
        assert_eq!(Noted::parse(second), Some(noted(file)));
    }

    #[test]
    fn what_the_file_system_does_not_tell_is_not_compared() {
        let file = |inode, created| Identity { inode, created };
        assert!(file(1, 2).matches(file(1, 2)));
        assert!(file(1, 0).matches(file(1, 2)));
        assert!(file(0, 2).matches(file(1, 2)));
        assert!(!file(1, 2).matches(file(1, 3)));
        assert!(!file(1, 2).matches(file(3, 2)));
    }
}
