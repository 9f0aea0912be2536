//! Where stores live on disk: directories and files, their creation and their removal.
//!
//! `<dir>/torpor-<uid>/v<layout>/<store>/{meta,data,locks}`, directories 0700, files 0600. A store is
//! built under a temporary name and renamed when it is whole, so nobody ever opens a half-made one; a
//! destroyed one is renamed away before its files are removed. What a creator left that was killed is
//! cleaned up by the next one.

use crate::attachment::Opened;
use crate::error::StoreError;
use crate::layout::{Meta, Shape, Table, LAYOUT_VERSION};
use crate::memory::Shared;
use crate::sys;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEFAULT_CAPACITY: u64 = 4 << 30;

fn io(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |e| StoreError::io(what, Some(path.clone()), e)
}

/// The directory that holds the user's stores: the option, `TORPOR_DIR`, or shared memory.
pub(crate) fn base(option: Option<&Path>) -> PathBuf {
    let base = option
        .map(Path::to_path_buf)
        .or_else(|| std::env::var_os("TORPOR_DIR").filter(|v| !v.is_empty()).map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/dev/shm"));
    // A program may change its directory; the store stays where it is.
    std::path::absolute(&base).unwrap_or(base)
}

/// Refuses what is no store name.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let why = match name {
        "" => "it is empty",
        n if n.len() > 128 => "it is longer than 128 bytes",
        n if n.starts_with('.') => "it begins with a dot",
        n if n.contains('/') => "it contains a slash",
        n if n.chars().any(char::is_control) => "it contains a control character",
        _ => return Ok(()),
    };
    let shown: String = name.chars().take(80).collect();
    Err(StoreError::InvalidName { what: "store name", name: shown, why })
}

fn refuse(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let uid = sys::effective_user();
    let what = if metadata.uid() != uid {
        format!("it belongs to user {}, this process runs as user {uid}", metadata.uid())
    } else if metadata.mode() & 0o077 != 0 {
        format!(
            "others may access it (mode {:o}); make it private with chmod go-rwx",
            metadata.mode() & 0o7777
        )
    } else {
        return Ok(());
    };
    Err(StoreError::Foreign { path: path.to_path_buf(), what })
}

/// File systems whose files several hosts can have, or that may be of that kind (FUSE): by the numbers of statfs(2).
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x7461_636f, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x786f_4256, "a virtual machine's shared folder"),
];

fn network(kind: u32) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// Memory is not shared, and locks do not say who lives, where hosts share a directory.
fn refuse_network(base: &Path) -> Result<(), StoreError> {
    let Ok(kind) = sys::file_system(base) else { return Ok(()) }; // what is there to say is said when it is opened
    let Some(name) = network(kind) else { return Ok(()) };
    let what = format!("it lies on {name}; stores need a local file system, or shared memory");
    Err(StoreError::Foreign { path: base.to_path_buf(), what })
}

/// Opens a directory that must be ours alone; never through a symbolic link.
fn private_dir(path: &Path, create: bool) -> Result<Option<File>, StoreError> {
    if create {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(io("create", path)(e)),
            _ => {}
        }
    }
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let dir = match File::options().read(true).custom_flags(flags).open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ELOOP | libc::ENOTDIR)) => {
            let what = "it is no directory; stores are never opened through symbolic links".to_string();
            return Err(StoreError::Foreign { path: path.to_path_buf(), what });
        }
        other => other.map_err(io("open", path))?,
    };
    refuse(path, &dir.metadata().map_err(io("inspect", path))?)?;
    Ok(Some(dir))
}

fn private_file(path: &Path, write: bool) -> Result<Option<File>, StoreError> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = match File::options().read(true).write(write).custom_flags(flags).open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) if e.raw_os_error() == Some(libc::ELOOP) => {
            let what = "it is a symbolic link".to_string();
            return Err(StoreError::Foreign { path: path.to_path_buf(), what });
        }
        other => other.map_err(io("open", path))?,
    };
    let metadata = file.metadata().map_err(io("inspect", path))?;
    if !metadata.is_file() {
        let what = "it is no regular file".to_string();
        return Err(StoreError::Foreign { path: path.to_path_buf(), what });
    }
    refuse(path, &metadata)?;
    Ok(Some(file))
}

fn of_user(base: &Path) -> PathBuf {
    base.join(format!("torpor-{}", sys::effective_user()))
}

fn of_layout(user: &Path) -> PathBuf {
    user.join(format!("v{LAYOUT_VERSION}"))
}

/// Where the store of that name lies, if there is one.
pub(crate) fn place_of(base: &Path, name: &str) -> Result<PathBuf, StoreError> {
    check_name(name)?;
    Ok(of_layout(&of_user(base)).join(name))
}

/// The directory of this user's stores of this layout, made if wanted.
fn stores(base: &Path, create: bool) -> Result<Option<PathBuf>, StoreError> {
    if create && !base.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(base).map_err(io("create", base))?;
    }
    refuse_network(base)?;
    let user = of_user(base);
    let place = of_layout(&user);
    if private_dir(&user, create)?.is_none() || private_dir(&place, create)?.is_none() {
        return Ok(None);
    }
    Ok(Some(place))
}

/// What a new store is to be.
pub(crate) struct Creation {
    pub capacity: Option<u64>,
    pub full: u32,
}

/// Opens the store; creates it first if there is none and `creation` says how. `None`: there is none.
pub(crate) fn open(
    base: &Path,
    name: &str,
    creation: Option<Creation>,
) -> Result<Option<Opened>, StoreError> {
    let place = place_of(base, name)?;
    let Some(stores) = stores(base, creation.is_some())? else { return Ok(None) };
    for _ in 0..100 {
        if let Some(opened) = open_existing(&place)? {
            return Ok(Some(opened));
        }
        let Some(creation) = &creation else { return Ok(None) };
        clean_up(&stores);
        create(base, &stores, &place, creation)?;
    }
    let what = "it is created and destroyed again and again while this process tries to open it".to_string();
    Err(StoreError::Corrupt { path: place, what })
}

fn open_existing(place: &Path) -> Result<Option<Opened>, StoreError> {
    if private_dir(place, false)?.is_none() {
        return Ok(None);
    }
    let corrupt = |what: String| StoreError::Corrupt { path: place.to_path_buf(), what };
    let path = |name: &str| place.join(name);
    let Some(meta_file) = private_file(&path("meta"), true)? else {
        // A store that is being destroyed loses its directory's name before its files.
        return if place.exists() { Err(corrupt("its file meta is missing".to_string())) } else { Ok(None) };
    };
    let mut head = [0u8; 64];
    (&meta_file).read_exact(&mut head).map_err(|_| corrupt("its file meta is cut off".to_string()))?;
    let shape = Meta::read_shape(&head).map_err(|what| StoreError::Foreign {
        path: place.to_path_buf(),
        what: format!("the store there cannot be used: {what}"),
    })?;
    let metadata = meta_file.metadata().map_err(io("inspect", place))?;
    let length = shape.offset(Table::End);
    if metadata.len() != length {
        return Err(corrupt(format!("its file meta has {} bytes instead of {length}", metadata.len())));
    }
    let missing = |name: &str| corrupt(format!("its file {name} is missing"));
    let data = private_file(&path("data"), true)?.ok_or_else(|| missing("data"))?;
    let data_read_only = private_file(&path("data"), false)?.ok_or_else(|| missing("data"))?;
    let locks = private_file(&path("locks"), true)?.ok_or_else(|| missing("locks"))?;
    for file in [&data, &data_read_only] {
        let found = file.metadata().map_err(io("inspect", place))?.len();
        if found != shape.capacity {
            return Err(corrupt(format!("its file data has {found} bytes instead of {}", shape.capacity)));
        }
    }
    let memory = Shared::map(&meta_file, length as usize).map_err(io("map", place))?;
    let meta =
        Meta::new(Box::new(memory), shape).ok_or_else(|| corrupt("its tables do not fit".to_string()))?;
    let identity = (metadata.dev(), metadata.ino());
    Ok(Some(Opened { meta, meta_file, data, data_read_only, locks, identity, place: place.to_path_buf() }))
}

fn create(base: &Path, stores: &Path, place: &Path, creation: &Creation) -> Result<(), StoreError> {
    let capacity = match creation.capacity {
        Some(n) => n,
        None => DEFAULT_CAPACITY.min(sys::free_space(base).map_err(io("measure", base))? / 2),
    };
    let shape = Shape::new(capacity);
    let now = sys::coarse_time();
    let unique = u64::from(std::process::id()) << 32 ^ now ^ (&raw const shape as u64);
    let temporary = stores.join(format!(".new-{}-{unique:x}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&temporary).map_err(io("create", &temporary))?;
    let made = File::open(&temporary).map_err(io("open", &temporary)).and_then(|guard| {
        // SAFETY: plain system call. The lock says that the creator lives.
        unsafe { libc::flock(guard.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
        build(&temporary, shape, creation.full, now, unique).map(|()| guard)
    });
    let result = made.and_then(|_guard| fs::rename(&temporary, place).map_err(io("name", place)));
    if result.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    match result {
        // Somebody else was faster: a directory with files in it is never replaced.
        Err(StoreError::Io { source, .. })
            if matches!(source.raw_os_error(), Some(libc::EEXIST | libc::ENOTEMPTY)) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn build(dir: &Path, shape: Shape, full: u32, now: u64, unique: u64) -> Result<(), StoreError> {
    let new = |name: &str, length: u64| {
        let path = dir.join(name);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(io("create", &path))?;
        file.set_len(length).map_err(io("size", &path))?;
        Ok::<File, StoreError>(file)
    };
    new("data", shape.capacity)?;
    new("locks", 0)?;
    let length = shape.offset(Table::End);
    let meta = new("meta", length)?;
    // What is touched before the tables grow has pages from the start.
    sys::allocate(&meta, 0, shape.offset(Table::Ids)).map_err(io("get memory for", dir))?;
    let memory = Shared::map(&meta, length as usize).map_err(io("map", dir))?;
    if let Some(tables) = Meta::new(Box::new(memory), shape) {
        tables.format(full, now, unique);
    }
    Ok(())
}

/// Removes what creators and destroyers left that did not live to finish.
fn clean_up(stores: &Path) {
    for entry in fs::read_dir(stores).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let dead = if name.starts_with(".gone-") {
            true
        } else if name.starts_with(".new-") {
            // Ten seconds are enough to take the lock. Whoever set the clock meanwhile does not matter.
            let made = entry.metadata().and_then(|m| m.modified()).ok();
            let age = made.map(|t| t.elapsed().unwrap_or_else(|e| e.duration()));
            age.is_some_and(|age| age > Duration::from_secs(10))
                && File::open(entry.path()).is_ok_and(|dir| {
                    // SAFETY: plain system call; the lock goes with the file.
                    unsafe { libc::flock(dir.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
                })
        } else {
            false
        };
        if dead {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Takes the store's name away, then its files.
pub(crate) fn remove(place: &Path, unique: u64) -> Result<(), StoreError> {
    let gone = place.with_file_name(format!(".gone-{}-{unique:x}", std::process::id()));
    match fs::rename(place, &gone) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(io("remove", place))?,
    }
    fs::remove_dir_all(&gone).map_err(io("remove", &gone))
}

/// Whether the store's name still means this store: its directory may have been removed by hand.
pub(crate) fn still_named(place: &Path, identity: (u64, u64)) -> bool {
    fs::metadata(place.join("meta")).is_ok_and(|m| (m.dev(), m.ino()) == identity)
}

#[cfg(test)]
mod tests {
    #[test]
    fn file_systems_of_networks_are_known() {
        assert_eq!(super::network(libc::NFS_SUPER_MAGIC as u32), Some("NFS"));
        assert_eq!(super::network(libc::FUSE_SUPER_MAGIC as u32), Some("FUSE"));
        for local in
            [libc::TMPFS_MAGIC, libc::EXT4_SUPER_MAGIC, libc::XFS_SUPER_MAGIC, libc::BTRFS_SUPER_MAGIC]
        {
            assert_eq!(super::network(local as u32), None);
        }
        for dir in [std::env::temp_dir(), "/dev/shm".into()] {
            super::refuse_network(&dir).unwrap();
        }
    }
}
