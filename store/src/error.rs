//! Why the store could not do something.

use crate::capture::MAX_GRAPH;
use crate::region::FORMAT_VERSION;
use crate::status;
use std::fmt;
use std::path::PathBuf;

/// The store's errors; each message says what, where and what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// No such store, or it was destroyed.
    NotFound { name: String, dir: PathBuf, destroyed: bool },
    /// No room: `needed` bytes for this snapshot, `capacity` is the limit.
    Full { name: String, needed: u64, used: u64, capacity: u64, what: &'static str },
    /// The store's own tables make no sense.
    Corrupt { path: PathBuf, what: String },
    /// The store belongs to somebody else or to another build.
    Foreign { path: PathBuf, what: String },
    /// No snapshot under this key or with this id.
    SnapshotNotFound { store: String, what: String },
    /// The time given to a wait is over.
    Timeout { what: String },
    /// The caller's `interrupt` function said stop.
    Interrupted,
    /// A store name or key that is not allowed.
    InvalidName { what: &'static str, name: String, why: &'static str },
    /// An argument that makes no sense.
    Invalid { what: String },
    /// The operating system refused.
    Io { what: String, path: Option<PathBuf>, source: std::io::Error },
    /// The snapshot itself is not usable.
    Region(RegionError),
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>, path: Option<PathBuf>, source: std::io::Error) -> Self {
        StoreError::Io { what: what.into(), path, source }
    }

    /// The number that C and Python see: [`crate::status`].
    pub fn status(&self) -> i32 {
        match self {
            Self::NotFound { .. } => status::STORE_NOT_FOUND,
            Self::Full { .. } => status::STORE_FULL,
            Self::Corrupt { .. } => status::STORE_CORRUPT,
            Self::Foreign { .. } => status::STORE_FOREIGN,
            Self::SnapshotNotFound { .. } => status::SNAPSHOT_NOT_FOUND,
            Self::Timeout { .. } => status::TIMEOUT,
            Self::Interrupted => status::INTERRUPTED,
            Self::InvalidName { .. } | Self::Invalid { .. } => status::INVALID_ARGUMENT,
            Self::Io { .. } => status::IO,
            Self::Region(e) => e.status(),
        }
    }

    /// The operating system's number, 0 if it had no part in this.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Io { source, .. } => source.raw_os_error().unwrap_or(0),
            _ => 0,
        }
    }
}

impl RegionError {
    /// The number that C and Python see: [`crate::status`].
    pub fn status(&self) -> i32 {
        match self {
            Self::OtherFormat { .. } => status::VERSION_MISMATCH,
            Self::TooBig { .. } => status::UNCAPTURABLE_VALUE,
            _ => status::CORRUPT_SNAPSHOT,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { name, dir, destroyed: false } => write!(
                f,
                "there is no store {name:?} in {}; open it with create=true, or check the name and TORPOR_DIR",
                dir.display()
            ),
            Self::NotFound { name, dir, destroyed: true } => write!(
                f,
                "the store {name:?} in {} was destroyed; what is mapped stays valid, open the store anew to go on",
                dir.display()
            ),
            Self::Full { name, needed, used, capacity, what } => write!(
                f,
                "the store {name:?} is full ({what}): {needed} bytes are needed, {used} of {capacity} are in use; \
                 remove snapshots, drop references to old ones, or create the store with more capacity"
            ),
            Self::Corrupt { path, what } => {
                write!(f, "the store at {} is damaged: {what}; destroy it and create it anew", path.display())
            }
            Self::Foreign { path, what } => write!(f, "{} was refused: {what}", path.display()),
            Self::SnapshotNotFound { store, what } => write!(f, "the store {store:?} has no snapshot {what}"),
            Self::Timeout { what } => write!(f, "the time is over and there is still no {what}"),
            Self::Interrupted => write!(f, "the wait was interrupted"),
            Self::InvalidName { what, name, why } => write!(f, "{name:?} cannot be a {what}: {why}"),
            Self::Invalid { what } => f.write_str(what),
            Self::Io { what, path: Some(path), source } => {
                write!(f, "could not {what} {}: {source}", path.display())
            }
            Self::Io { what, path: None, source } => write!(f, "could not {what}: {source}"),
            Self::Region(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Region(e) => Some(e),
            _ => None,
        }
    }
}

impl From<RegionError> for StoreError {
    fn from(e: RegionError) -> Self {
        Self::Region(e)
    }
}

/// Why bytes are not a snapshot that this build can use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionError {
    NotASnapshot { length: u64 },
    OtherFormat { found: u32 },
    Truncated { expected: u64, found: u64 },
    Damaged(&'static str),
    TooBig { bytes: u64 },
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot { length } => {
                write!(
                    f,
                    "these {length} bytes are not a torpor snapshot: they do not begin with its identifier"
                )
            }
            Self::OtherFormat { found } => write!(
                f,
                "the snapshot is of format {found}, this build reads format {FORMAT_VERSION}; \
                 use the version of torpor that wrote it"
            ),
            Self::Truncated { expected, found } => {
                write!(f, "the snapshot has {expected} bytes, but only {found} are here; it was cut off")
            }
            Self::Damaged(what) => write!(f, "the snapshot is damaged: {what}"),
            Self::TooBig { bytes } => write!(
                f,
                "the graph of small values would have {bytes} bytes, the limit is {MAX_GRAPH}; \
                 arrays and long texts do not count, many small objects do"
            ),
        }
    }
}
impl std::error::Error for RegionError {}
