//! A named store: the handle that programs hold.
//!
//! This module owns the public operations on keys and snapshots; the protocol below it is in
//! [`crate::slot`], [`crate::names`], [`crate::space`] and [`crate::reap`].

use crate::attachment::{attached, Attachment};
use crate::capture::SnapshotBuilder;
use crate::directory::{self, Creation};
use crate::error::StoreError;
use crate::key::{refusal, Kept, Key};
use crate::names::{Name, LINK};
use crate::reserve::Reservation;
use crate::slot::{LINKING, RETIRED};
use crate::snapshot::Snapshot;
use crate::wait::Waiting;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What happens when there is no room. Chosen when the store is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Full {
    /// [`StoreError::Full`].
    #[default]
    Error,
    /// Wait until there is room, as long as [`OpenOptions::full_timeout`] says; then an error.
    Wait,
    /// Drop the snapshot under the same key if nobody holds it; else an error.
    Drop,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Create the store if there is none.
    pub create: bool,
    /// The most bytes that snapshots may have together; reserved as it is used. Default: the smaller of
    /// 4 GiB and half of what is free. Ignored when the store exists.
    pub capacity: Option<u64>,
    /// What happens when there is no room. Ignored when the store exists.
    pub full: Full,
    /// How long [`Full::Wait`] waits, to the millisecond and up to 12 days; `None`: for ever. Ignored when the store
    /// exists.
    pub full_timeout: Option<Duration>,
    /// Where stores live. Default: `TORPOR_DIR`, else shared memory.
    pub dir: Option<PathBuf>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions { create: true, capacity: None, full: Full::Error, full_timeout: None, dir: None }
    }
}

/// A store as it is now. Processes work on while it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The limit in bytes.
    pub capacity: u64,
    /// Bytes of memory that belongs to snapshots and buffers, being written or published.
    pub used: u64,
    /// Bytes kept warm for the next snapshots.
    pub cached: u64,
    /// Bytes of the store's own tables.
    pub overhead: u64,
    /// Published snapshots.
    pub snapshots: u64,
    /// Keys that lead to a snapshot.
    pub keys: u64,
    /// Attached processes, dead ones included until they are reaped.
    pub processes: u64,
    /// Pairs of a process and a snapshot that it holds.
    pub pins: u64,
    /// Slots in any state but free.
    pub slots: u64,
    /// Replaced or removed snapshots that somebody still holds.
    pub retired: u64,
    /// Buffers ([`StoreBuffer`](crate::StoreBuffer)): those that programs work in, and those that snapshots have.
    pub buffers: u64,
}

/// What a clean-up brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reclaimed {
    /// Dead processes.
    pub processes: u64,
    /// Half-written and left-over snapshots.
    pub snapshots: u64,
    /// Pins of dead processes.
    pub pins: u64,
    /// Bytes of memory.
    pub bytes: u64,
    /// Of the snapshots: their process died while it wrote them…
    pub writing: u64,
    /// …while it swapped their key…
    pub linking: u64,
    /// …while it freed them…
    pub freeing: u64,
    /// …between replacing or releasing them and freeing them.
    pub orphaned: u64,
}

impl Reclaimed {
    pub(crate) fn add(&mut self, other: Reclaimed) {
        self.processes += other.processes;
        self.snapshots += other.snapshots;
        self.pins += other.pins;
        self.bytes += other.bytes;
        self.writing += other.writing;
        self.linking += other.linking;
        self.freeing += other.freeing;
        self.orphaned += other.orphaned;
    }
}

/// The word of the header that says what happens when there is no room.
fn policy(full: Full, timeout: Option<Duration>) -> Result<u32, StoreError> {
    let Some(timeout) = timeout else { return Ok(full as u32) };
    if full != Full::Wait {
        let what = "full_timeout is for stores that wait when they are full".to_string();
        return Err(StoreError::Invalid { what });
    }
    match u32::try_from(timeout.as_millis()) {
        Ok(ms) if ms < (1 << 30) - 1 => Ok((ms + 1) << 2 | full as u32),
        _ => Err(StoreError::Invalid { what: "full_timeout is longer than 12 days".to_string() }),
    }
}

/// A named area of memory that the processes of one user share. Cloning a handle is cheap; all handles
/// of a store in one process are one attachment. After [`destroy`](Store::destroy) every operation is a
/// [`StoreError::NotFound`], while snapshots and mappings stay valid.
///
/// ```
/// use torpor_store::{Builder, OpenOptions, Store};
/// # let dir = std::env::temp_dir().join(format!("torpor-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// let options = OpenOptions { capacity: Some(16 << 20), dir: Some(dir.clone()), ..Default::default() };
/// let store = Store::open("example", &options)?;
/// let mut frame = Builder::new();
/// frame.local("answer", 42i64);
/// let snapshot = frame.publish(&store, Some("first"))?;
/// assert_eq!(store.snapshot("first")?.id(), snapshot.id());
/// store.destroy()?;
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), torpor_store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct Store(Arc<Attachment>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("name", &self.0.name).field("dir", &self.0.dir).finish()
    }
}

impl Store {
    /// Opens a store, or creates it.
    pub fn open(name: &str, options: &OpenOptions) -> Result<Store, StoreError> {
        let base = directory::base(options.dir.as_deref());
        let full = policy(options.full, options.full_timeout)?;
        let creation = options.create.then_some(Creation { capacity: options.capacity, full });
        // Held over the whole attachment: two threads that open one store get one attachment.
        let mut table = attached();
        table.retain(|w| w.strong_count() > 0);
        let Some(opened) = directory::open(&base, name, creation)? else {
            return Err(StoreError::NotFound { name: name.to_string(), dir: base, destroyed: false });
        };
        let same = |a: &Arc<Attachment>| a.identity == opened.identity && !a.is_destroyed();
        if let Some(a) = table.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(Store(a));
        }
        let attachment = Attachment::join(name, base, opened)?;
        table.push(Arc::downgrade(&attachment));
        Ok(Store(attachment))
    }

    /// The store of that name if this process has it open already: for who has found the name in a snapshot, and opens it
    /// otherwise.
    pub fn opened(name: &str, dir: Option<&Path>) -> Option<Store> {
        let open: Vec<_> = attached().iter().filter_map(Weak::upgrade).filter(|a| a.name == name).collect();
        // Its place is looked for in full only if it was not given just so.
        let given = dir.filter(|dir| dir.is_absolute() && open.iter().any(|a| a.dir == *dir));
        let base = match given {
            Some(dir) => Cow::Borrowed(dir),
            None => Cow::Owned(directory::base(dir)),
        };
        let is_there = |a: &Arc<Attachment>| {
            a.dir == base && !a.is_destroyed() && directory::still_named(&a.place, a.identity)
        };
        open.into_iter().find(is_there).map(Store)
    }

    #[cfg(feature = "crash-points")]
    pub(crate) fn of(attachment: Arc<Attachment>) -> Store {
        Store(attachment)
    }

    #[inline(always)]
    pub(crate) fn attachment(&self) -> &Attachment {
        &self.0
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The directory in which stores live, as it was given or found.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The store's own directory, which belongs to this user alone.
    pub fn place(&self) -> &Path {
        &self.attachment().place
    }

    /// The limit in bytes.
    pub fn capacity(&self) -> u64 {
        self.0.meta.shape.capacity
    }

    /// What the store does when there is no room.
    pub fn full(&self) -> Full {
        match self.0.meta.header().full.load(Relaxed) & 3 {
            1 => Full::Wait,
            2 => Full::Drop,
            _ => Full::Error,
        }
    }

    /// How long it waits for room before that is an error; `None`: for ever.
    pub fn full_timeout(&self) -> Option<Duration> {
        let limit = (self.0.meta.header().full.load(Relaxed) >> 2).checked_sub(1);
        limit.map(|ms| Duration::from_millis(ms.into()))
    }

    /// Claims a slot and memory and writes the graph. As [`reserve_for`](Self::reserve_for) without a
    /// key and without an end to waiting.
    pub fn reserve<'b>(&self, builder: &'b SnapshotBuilder<'b>) -> Result<Reservation<'b>, StoreError> {
        self.reserve_for(builder, None, &mut || false)
    }

    /// Claims a slot and memory and writes the graph. When there is no room, does what the store was
    /// created to do: with [`Full::Drop`] the snapshot under `key` makes room if nobody holds it, with
    /// [`Full::Wait`] `interrupt` is asked every 50 ms at the latest whether to give up.
    pub fn reserve_for<'b>(
        &self,
        builder: &'b SnapshotBuilder<'b>,
        key: Option<&str>,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<Reservation<'b>, StoreError> {
        let (mut dropped, mut waiting) = (false, Waiting::default());
        loop {
            let full = match self.reserve_once(builder) {
                Err(e @ StoreError::Full { .. }) => e,
                other => return other,
            };
            let fits = builder.plan().region_length <= self.capacity();
            match (self.full(), key) {
                (Full::Drop, Some(key)) if fits && !dropped && self.0.drop_unheld(key)? => dropped = true,
                (Full::Wait, _) if fits => self.wait_for_room(&mut waiting, full, interrupt)?,
                _ => return Err(full),
            }
        }
    }

    /// Publishes a copy of a snapshot of another store, of a file or of bytes; held. `interrupt` as in
    /// [`reserve_for`](Self::reserve_for).
    ///
    /// ```
    /// # use torpor_store::{Builder, OpenOptions, Snapshot, Store};
    /// # let dir = std::env::temp_dir().join(format!("torpor-doc-insert-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let options = OpenOptions { capacity: Some(1 << 20), dir: Some(dir.clone()), ..Default::default() };
    /// let store = Store::open("example", &options)?;
    /// let received = Snapshot::from_bytes(&Builder::new().to_bytes()?)?;
    /// let inserted = store.insert(&received, Some("received"), &mut || false)?;
    /// assert_eq!(store.snapshot("received")?.id(), inserted.id());
    /// # store.destroy()?;
    /// # std::fs::remove_dir_all(&dir).unwrap();
    /// # Ok::<(), torpor_store::StoreError>(())
    /// ```
    pub fn insert(
        &self,
        snapshot: &Snapshot,
        key: Option<&str>,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<Snapshot, StoreError> {
        key.map(Key::new).transpose()?;
        let builder = SnapshotBuilder::copy_of(snapshot)?;
        self.publish(&builder, key, interrupt)
    }

    /// Holds the snapshot under a key.
    pub fn snapshot(&self, key: &str) -> Result<Snapshot, StoreError> {
        let a = &*self.0;
        let Some(checked) = Key::checked(key) else { return Err(refusal(key)) };
        a.alive()?;
        // What nearly always is so; a snapshot is made once, where the caller wants it.
        if let Ok((_, Some((_, link)))) = a.find(&checked) {
            if link.kind() == LINK && a.acquire(link.index(), link.generation()) {
                return self.held(link.index(), Kept::of_checked(Some(key)));
            }
        }
        self.find(&checked)?.ok_or_else(|| a.no_snapshot(format!("under the key {key:?}")))
    }

    /// The [`Snapshot::identity`] of what the key leads to now, without holding it. `None` also where it takes
    /// [`snapshot`](Self::snapshot) to find out.
    #[inline]
    pub fn identity(&self, key: &str) -> Option<(u64, u64)> {
        let a = &*self.0;
        let key = Key::new(key).ok()?;
        a.alive().ok()?;
        let (index, generation) = a.lookup(&key).ok()??;
        let slot = a.meta.slot(index)?;
        let id = slot.id.load(Relaxed);
        // Read before the word that says that the slot is still the one that the key led to (S4).
        std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
        let word = slot.load();
        (word.is_adoptable() && word.generation() == generation).then_some((a.serial, id))
    }

    /// Holds the snapshot under a key, or `None`.
    fn find(&self, key: &Key<'_>) -> Result<Option<Snapshot>, StoreError> {
        let a = &*self.0;
        a.alive()?;
        let mut last = None;
        loop {
            let Some((slot, generation)) = a.lookup(key)? else { return Ok(None) };
            if a.acquire(slot, generation) {
                return self.held(slot, Kept::from(Some(key))).map(Some);
            }
            // It was replaced between the two looks, or dropped, or it makes no sense.
            let again = last.replace((slot, generation)) == Some((slot, generation));
            if again && !a.is_dropped(key, slot, generation)? {
                return Err(
                    a.corrupt(format!("the key {:?} leads to a slot that is not published", key.text))
                );
            }
        }
    }

    /// Makes a snapshot of a slot that was just acquired; gives it back if it makes no sense.
    #[inline(always)]
    pub(crate) fn held(&self, index: u32, key: Kept) -> Result<Snapshot, StoreError> {
        let a = &*self.0;
        let slot = a.meta.slot(index).filter(|slot| slot.next.load(Relaxed) == 0);
        if let Some(slot) = slot {
            let (id, length) = (slot.id.load(Relaxed), slot.length.load(Relaxed));
            let place = a.place(slot.memory.load(Relaxed)).map(|place| (place.offset(), place.length()));
            if let Some((offset, room)) = place.filter(|_| length > 0) {
                if length <= room {
                    return Ok(Snapshot::of_slot(self.clone(), index, id, offset, length, key, None));
                }
            }
        }
        self.held_in_parts(index, key)
    }

    /// The same for a snapshot that has buffers of the store.
    #[cold]
    fn held_in_parts(&self, index: u32, key: Kept) -> Result<Snapshot, StoreError> {
        let a = &*self.0;
        if let Some(slot) = a.meta.slot(index).filter(|slot| slot.next.load(Relaxed) != 0) {
            let (id, length) = (slot.id.load(Relaxed), slot.length.load(Relaxed));
            let parts = a.stitch(index, slot, length).inspect_err(|_| a.unpin(index))?;
            if let Some(place) = a.place(slot.memory.load(Relaxed)).filter(|_| length > 0) {
                let (store, offset) = (self.clone(), place.offset());
                return Ok(Snapshot::of_slot(store, index, id, offset, length, key, Some(parts)));
            }
        }
        a.unpin(index);
        Err(a.corrupt(format!("slot {index} claims memory that it cannot have")))
    }

    /// Holds a published slot, whatever its key.
    fn hold(&self, index: u32) -> Result<Option<Snapshot>, StoreError> {
        let a = &*self.0;
        let Some(slot) = a.meta.slot(index) else { return Ok(None) };
        let word = slot.load();
        if !word.is_adoptable() || !a.acquire(index, word.generation()) {
            return Ok(None);
        }
        // Not yet where its key leads: whoever removed it now would leave a key that leads nowhere.
        if slot.load().state() == LINKING && !a.is_linked(index, slot, word) {
            a.unpin(index);
            return Ok(None);
        }
        let node = slot.name.load(SeqCst);
        let key = node.checked_sub(1).and_then(|n| a.key_of(n, Some(slot.name_generation.load(SeqCst))));
        let key = key.as_ref().and_then(|(key, _)| Key::new(key).ok());
        self.held(index, Kept::from(key.as_ref())).map(Some)
    }

    /// Holds the snapshot with this number.
    pub fn snapshot_by_id(&self, id: u64) -> Result<Snapshot, StoreError> {
        let a = &*self.0;
        a.alive()?;
        let ready = a.meta.slots_ready();
        // A published snapshot left a hint under the size that the table had then.
        let sizes = (0..32).map(|n| ready >> n).take_while(|size| *size > 0);
        let hints = sizes.filter_map(|size| a.id_hint(id, size)?.load(Relaxed).checked_sub(1));
        for index in hints.chain(0..ready) {
            let fits =
                a.meta.slot(index).is_some_and(|s| s.id.load(Relaxed) == id && s.load().is_adoptable());
            if fits && id != 0 {
                if let Some(s) = self.hold(index)?.filter(|s| s.id() == id) {
                    return Ok(s);
                }
            }
        }
        Err(a.no_snapshot(format!("with the number {id}")))
    }

    /// Whether the key leads to a snapshot.
    pub fn contains(&self, key: &str) -> bool {
        let Ok(key) = Key::new(key) else { return false };
        !self.is_destroyed() && matches!(self.0.lookup(&key), Ok(Some(_)))
    }

    /// All keys, sorted.
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.0.alive()?;
        let linked = |w: &Name| w.kind() == LINK;
        let nodes = (0..self.0.meta.nodes_ready()).filter_map(|i| self.0.key_of(i, None));
        let mut keys: Vec<String> = nodes.filter(|(_, w)| linked(w)).map(|(key, _)| key).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// All published snapshots, with a key or without, oldest first.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError> {
        self.0.alive()?;
        let mut all = Vec::new();
        for index in 0..self.0.meta.slots_ready() {
            all.extend(self.hold(index)?);
        }
        all.sort_by_key(Snapshot::id);
        Ok(all)
    }

    /// Drops the key and its snapshot; the memory is free when nobody holds it any more.
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        let checked = Key::new(key)?;
        self.0.alive()?;
        match self.0.unlink_key(&checked)? {
            Some((slot, generation)) => {
                self.0.retire(slot, generation);
                Ok(())
            }
            None => Err(self.0.no_snapshot(format!("under the key {key:?}"))),
        }
    }

    /// Removes a snapshot that the caller holds.
    pub(crate) fn remove(&self, index: u32, id: u64) -> Result<(), StoreError> {
        let a = &*self.0;
        a.alive()?;
        let Some(slot) = a.meta.slot(index) else { return Err(a.corrupt("a slot is missing")) };
        let word = slot.load();
        if word.state() == RETIRED {
            return Err(a.no_snapshot(format!("with the number {id}")));
        }
        a.unlink_slot(index, slot, word);
        if a.retire(index, word.generation()) {
            return Ok(());
        }
        Err(a.no_snapshot(format!("with the number {id}")))
    }

    /// Counts everything.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        self.0.alive()?;
        Ok(self.0.count_all())
    }

    /// Brings back what dead processes left, and nothing else.
    pub fn gc(&self) -> Result<Reclaimed, StoreError> {
        self.0.alive()?;
        let mut back = self.0.reap_all();
        back.add(self.0.sweep(&self.0.lock_file(), None));
        Ok(back)
    }

    /// Ends the store for everybody: its name goes at once, its memory when the last process that maps
    /// it has let go.
    pub fn destroy(&self) -> Result<(), StoreError> {
        let a = &*self.0;
        let header = a.meta.header();
        if header.destroyed.0.swap(1, SeqCst) != 0 {
            return Err(a.not_found(true));
        }
        a.wake_all();
        if !directory::still_named(&a.place, a.identity) {
            return Ok(()); // its directory was removed by hand
        }
        directory::remove(&a.place, header.unique.load(Relaxed))
    }

    /// Whether the store was destroyed, by whomever.
    pub fn is_destroyed(&self) -> bool {
        self.0.is_destroyed()
    }
}
