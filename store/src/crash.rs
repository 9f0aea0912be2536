//! Crash points: with the feature `crash-points` a test names one and the process dies there.
//!
//! Every gap between two stores to shared memory that other processes can see has a name. The points
//! are compiled out of ordinary builds. A model test goes further: it is asked at every single operation
//! on shared memory ([`on_step`]), and has several "processes" in one ([`another_process`]).

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::store::Store;
use crate::{directory, sys};
use std::cell::Cell;
use std::fs::File;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

/// All names, in the order of the flow.
pub const POINTS: &[&str] = &[
    "attach: locked, not entered",
    "grow: allocated, not announced",
    "slot: claimed",
    "slab: chunk claimed",
    "slab: slot claimed",
    "slab: block attached",
    "slab: filled, not finished",
    "extent: some chunks claimed",
    "extent: chunks claimed, slot not told",
    "buffer: pages there, not held",
    "buffer: pinned, still writing",
    "reserve: graph written",
    "hand over: private, not told",
    "hand over: a buffer told",
    "hand over: the slot told",
    "node: claimed",
    "node: written",
    "node: in its bucket",
    "publish: pinned, still writing",
    "publish: linking",
    "publish: linked",
    "publish: published",
    "publish: old unlinked, not retired",
    "retire: retired",
    "free: freeing",
    "drop: dropping",
    "drop: freeing",
    "drop: without a key",
    "free: free, its buffers not",
    "free: some chunks released",
    "free: chunks released, slot not told",
    "free: memory gone, slot not free",
    "name: emptied",
    "name: sealed",
    "name: popped, not free",
    "pin: set, not checked",
    "reap: pins cleared",
    "reap: slot taken over",
];

static ARMED: AtomicU32 = AtomicU32::new(0);
static LEFT: AtomicU32 = AtomicU32::new(0);

/// The process will be killed when it comes to this point for the `count`th time.
pub fn arm(name: &str, count: u32) {
    let index = POINTS.iter().position(|p| *p == name).expect("a known crash point");
    LEFT.store(count.max(1), Relaxed);
    ARMED.store(index as u32 + 1, Relaxed);
}

thread_local! {
    static STEP: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// What this thread calls before every operation on shared memory, and at every crash point.
pub fn on_step(call: Option<fn()>) {
    STEP.with(|s| s.set(call));
}

#[inline(always)]
pub(crate) fn step() {
    if let Some(call) = STEP.with(Cell::get) {
        call();
    }
}

/// Sleeping under a model, where every other process takes its steps meanwhile: until the word has changed, which is
/// what a wake-up is. False without a model.
pub(crate) fn sleep(word: &crate::atomic::AtomicU32, expected: u32) -> bool {
    if STEP.with(Cell::get).is_none() {
        return false;
    }
    let woken = (0..100_000).any(|_| word.load(std::sync::atomic::Ordering::SeqCst) != expected);
    assert!(woken, "a process sleeps and nobody will wake it");
    true
}

/// Attaches to a store that exists as if this were another process: with an entry, a locked byte and pins of its own.
pub fn another_process(store: &Store) -> Result<Store, StoreError> {
    let Some(opened) = directory::open(store.dir(), store.name(), None)? else {
        return Err(store.attachment().not_found(false));
    };
    Ok(Store::of(Attachment::join(store.name(), store.dir().to_path_buf(), opened)?))
}

/// What a full store does that drops: drops what is under the key if nobody holds it.
pub fn drop_unheld(store: &Store, key: &str) -> Result<bool, StoreError> {
    store.attachment().drop_unheld(key)
}

/// The same; `meanwhile` is what happens in the middle of it.
pub fn drop_while(store: &Store, key: &str, meanwhile: impl FnOnce()) -> Result<bool, StoreError> {
    store.attachment().drop_while(key, |_| meanwhile())
}

/// The same, with a reader who pins the snapshot in the middle of it.
pub fn drop_while_pinned(store: &Store, key: &str) -> Result<bool, StoreError> {
    let (a, pinned) = (store.attachment(), Cell::new(None));
    let dropped = a.drop_while(key, |index| {
        a.pin(index);
        pinned.set(Some(index));
    });
    if let Some(index) = pinned.get() {
        a.unpin(index);
    }
    dropped
}

static CLOCK: AtomicI64 = AtomicI64::new(0);

/// Sets the wall clock as the store sees it, by an offset in seconds.
pub fn shift_clock(seconds: i64) {
    CLOCK.store(seconds, Relaxed);
}

pub(crate) fn shifted(nanoseconds: u64) -> u64 {
    nanoseconds.saturating_add_signed(CLOCK.load(Relaxed).saturating_mul(1_000_000_000))
}

static ROOM: AtomicU64 = AtomicU64::new(u64::MAX);
static FAILING: AtomicU32 = AtomicU32::new(0);

/// From now on no file of a store gets more pages than that, as on a small file system.
pub fn set_room(bytes: u64) {
    ROOM.store(bytes, Relaxed);
}

/// Lets requests for pages fail from this one on, the next one being 1; 0: none. Whether any has failed before.
pub fn fail_allocation(number: u32) -> bool {
    FAILING.swap(number, Relaxed) == 1
}

/// Whether the file may get pages for so many bytes more.
pub(crate) fn room_for(file: &File, length: u64) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    step();
    let fails = FAILING.fetch_update(Relaxed, Relaxed, |n| (n > 1).then(|| n - 1)) == Err(1);
    let room = ROOM.load(Relaxed);
    if fails || (room != u64::MAX && file.metadata()?.blocks() * 512 + length > room) {
        return Err(std::io::Error::from_raw_os_error(libc::ENOSPC));
    }
    Ok(())
}

/// What ends such a process: its locks go, as the kernel drops those of a process that was killed. Whoever calls
/// [`die`](Self::die) must not let that process take another step.
#[derive(Debug)]
pub struct Life(File);

impl Life {
    pub fn of(store: &Store) -> std::io::Result<Life> {
        // A duplicate of the descriptor stands for the same open file description, hence the same locks.
        store.attachment().lock_file().try_clone().map(Life)
    }

    pub fn die(&self) {
        sys::unlock_all(&self.0);
    }
}

#[inline(always)]
pub(crate) fn point(name: &'static str) {
    step();
    if ARMED.load(Relaxed) != 0 {
        reached(name);
    }
}

#[cold]
fn reached(name: &'static str) {
    let armed = ARMED.load(Relaxed) as usize;
    debug_assert!(POINTS.contains(&name), "{name} is missing from POINTS");
    if POINTS.get(armed.wrapping_sub(1)) == Some(&name) && LEFT.fetch_sub(1, Relaxed) == 1 {
        // SAFETY: plain system calls; nothing runs after them.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        loop {
            std::hint::spin_loop();
        }
    }
}
