// Shared by the tests of death: children by fork, payloads that prove themselves.

#![allow(dead_code)] // no test uses everything

use std::path::PathBuf;
use torpor_store::{OnCapture, OpenOptions, Snapshot, SnapshotBuilder, Store, StoreBuffer};

/// A number that the environment gives.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Whether the long runs were asked for.
pub fn long() -> bool {
    std::env::var_os("TORPOR_TEST_LONG").is_some_and(|v| !v.is_empty())
}

/// Runs `work` in a forked child, which then exits without clean-up of any kind.
pub fn fork(work: impl FnOnce()) -> i32 {
    // SAFETY: the child only runs `work` and exits; glibc makes its allocator usable there.
    match unsafe { libc::fork() } {
        0 => {
            let ok = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            // SAFETY: ends this process.
            unsafe { libc::_exit(if ok { 0 } else { 101 }) }
        }
        pid if pid > 0 => pid,
        _ => panic!("fork failed: {}", std::io::Error::last_os_error()),
    }
}

/// How a child ended: its exit status, or minus the signal.
pub fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: waits for a child of this process.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    if libc::WIFSIGNALED(status) {
        -libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    }
}

/// A directory that is removed when it goes out of scope.
pub struct Dir(pub PathBuf);
impl Dir {
    /// A new directory at every call.
    pub fn numbered(name: &str) -> Dir {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        Dir::new(&format!("{name}-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
    }
    pub fn new(name: &str) -> Dir {
        let base = if PathBuf::from("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
        let base = std::env::var_os("TORPOR_TEST_DIR").map_or(base, PathBuf::from);
        let dir = base.join(format!("torpor-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
    pub fn open(&self, name: &str, capacity: u64) -> Store {
        let options =
            OpenOptions { capacity: Some(capacity), dir: Some(self.0.clone()), ..Default::default() };
        Store::open(name, &options).unwrap()
    }
}
impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes that say themselves whether they are whole: all words are one.
pub fn words(seed: u64, bytes: usize) -> Vec<u8> {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().repeat(bytes / 8)
}

/// What is published: `words(seed, bytes)`, small ones in the graph, large ones in an extent.
fn builder(seed: u64, payload: &[u8]) -> SnapshotBuilder<'_> {
    let mut b = SnapshotBuilder::new();
    b.push_bytes(&seed.to_le_bytes());
    if payload.len() >= 16 << 10 {
        b.add_buffer(payload);
    } else {
        b.push_bytes(payload);
    }
    b
}

/// A snapshot whose payload is `words(seed, bytes)`.
pub fn publish(
    store: &Store,
    key: Option<&str>,
    seed: u64,
    bytes: usize,
) -> Result<Snapshot, torpor_store::StoreError> {
    store.publish(&builder(seed, &words(seed, bytes)), key, &mut || false)
}

/// The same, let go at once.
pub fn post(store: &Store, key: &str, seed: u64, bytes: usize) -> Result<u64, torpor_store::StoreError> {
    store.post(&builder(seed, &words(seed, bytes)), Some(key), &mut || false)
}

/// As [`publish`], with the payload in a buffer of the store that is handed over; the buffer lives on.
#[allow(dead_code)]
pub fn publish_buffer(
    store: &Store,
    key: Option<&str>,
    seed: u64,
    bytes: usize,
) -> Result<(Snapshot, StoreBuffer), torpor_store::StoreError> {
    let mut buffer = store.buffer(bytes, false, OnCapture::HandOver, &mut || false)?;
    buffer.as_mut_slice().copy_from_slice(&words(seed, bytes));
    let mut b = SnapshotBuilder::new();
    b.push_bytes(&seed.to_le_bytes());
    b.add_buffer(buffer.as_slice());
    let mut r = store.reserve_for(&b, key, &mut || false)?;
    r.copy_buffers();
    let s = r.publish(key)?;
    buffer.as_mut_slice().fill(0); // private by now
    Ok((s, buffer))
}

/// Whether a snapshot holds what `publish` put there.
pub fn is_whole(s: &Snapshot) -> bool {
    let Ok(region) = s.region() else { return false };
    let seed = u64::from_le_bytes(region.data[..8].try_into().unwrap());
    let payload = match region.extents.first() {
        Some(e) => s.extent_bytes(e).unwrap(),
        None => &region.data[8..],
    };
    payload == words(seed, payload.len())
}

/// Bytes of pages that a file of the store has.
pub fn pages(store: &Store, file: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(store.place().join(file)).unwrap().blocks() * 512
}

/// Every page that the store has is one that it knows of; nothing is held, written or freed at this moment.
pub fn audit(store: &Store) {
    audit_data(store);
    let stats = store.stats().unwrap();
    let meta = pages(store, "meta");
    assert!(meta <= stats.overhead + slack(store), "{meta} bytes of tables: {stats:?}");
}

/// The same, without the tables: after a growth that failed they may have pages that the next one uses.
pub fn audit_data(store: &Store) {
    let stats = store.stats().unwrap();
    let (data, known) = (pages(store, "data"), stats.used + stats.cached);
    assert!((known..=known + slack(store)).contains(&data), "{data} bytes of data: {stats:?}");
    assert_eq!(stats.slots, stats.snapshots + stats.buffers + stats.retired, "{stats:?}");
}

/// A file system on a disk has blocks of its own in a file.
fn slack(store: &Store) -> u64 {
    match store.place().starts_with("/dev/shm") {
        true => 0,
        false => 1 << 40,
    }
}
