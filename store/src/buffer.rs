//! Memory of the store that a program works in, and that a capture hands over instead of copying it.
//!
//! A buffer is an extent with a slot of its own, in the state RETIRED from the start: it is no snapshot, no key leads
//! to it, and it is free when no process holds it. It is mapped shared, so a forked child works in the same memory.
//! Handing it over to a snapshot is two stores: the buffer's `part` names the snapshot, whose list of buffers (`next`)
//! leads to it. From then on it is needed as long as that snapshot is; the process that worked in it goes on with a
//! private copy-on-write view at the same address. A buffer is handed over once, and by a process that alone holds
//! it: what is shared with a child, or was handed over before, is copied like any memory. Invariants S5, S14, S15.

use crate::attachment::Attachment;
use crate::capture::{SnapshotBuilder, CHECKED_EXTENT};
use crate::error::StoreError;
use crate::layout::Slot;
use crate::memory::{Stitched, Window};
use crate::region::PAGE;
use crate::slot::{Word, FREE, RETIRED};
use crate::snapshot::Scattered;
use crate::space::Place;
use crate::store::{Full, Store};
use crate::sys::crash_point;
use crate::wait::Waiting;
use std::fs::File;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, MutexGuard};

/// What a capture does with a buffer of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCapture {
    /// Its pages become the snapshot's; the program goes on with a private view at the same address.
    #[default]
    HandOver,
    /// It is copied, and stays as it is: needed if devices know its pages.
    Copy,
}

/// Snapshots name at most so many buffers; what goes beyond is copied. Each is one mapping of each adopter.
const MOST_PARTS: usize = 256;

/// The buffers of this process, by slot.
#[derive(Default)]
pub(crate) struct Buffers(Vec<Entry>);

struct Entry {
    window: Window,
    length: usize,
    slot: u32,
    on_capture: OnCapture,
    /// The window is private: it was handed over.
    parted: bool,
}

impl Buffers {
    /// In a forked child that got no entry in the store: it must not write to what the parent may hand over.
    pub(crate) fn part_from_the_parent(&mut self, read_only: &File) {
        for entry in self.0.iter_mut().filter(|e| !e.parted) {
            entry.parted = entry.window.part(read_only).is_ok();
        }
    }
}

/// Zeroed or recycled memory of a store. What lies in it is published by [`Store::reserve`] without a copy if the
/// whole buffer is named. Dropping the value gives the memory back unless a snapshot has it.
pub struct StoreBuffer {
    store: Store,
    slot: u32,
    start: *mut u8,
    length: usize,
}

// SAFETY: invariant S14: the memory is this value's; who writes through it synchronises.
unsafe impl Send for StoreBuffer {}
// SAFETY: as above.
unsafe impl Sync for StoreBuffer {}

impl std::fmt::Debug for StoreBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreBuffer").field("start", &self.start).field("length", &self.length).finish()
    }
}

impl StoreBuffer {
    /// The first byte, at a multiple of 4096.
    pub fn as_ptr(&self) -> *mut u8 {
        self.start
    }

    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.length
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: invariant S14: mapped as long as `self`; no other value of this process writes to it.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    /// The bytes, to be written. A child after `fork` has the same ones, and its writes are seen here.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

impl Drop for StoreBuffer {
    fn drop(&mut self) {
        let a = self.store.attachment();
        let mut buffers = a.buffers();
        let found = buffers.0.iter().position(|e| e.window.start() == self.start);
        let entry = found.map(|i| buffers.0.swap_remove(i));
        drop(buffers);
        drop(entry); // unmapped before the pages can be somebody else's
        a.unpin(self.slot);
    }
}

impl Store {
    /// Memory of the store for `length` bytes, all zero if `zeroed`. When there is no room, does what the store was
    /// created to do, as [`reserve_for`](Self::reserve_for) without a key.
    ///
    /// ```
    /// # use torpor_store::{Builder, OnCapture, OpenOptions, Store};
    /// # let dir = std::env::temp_dir().join(format!("torpor-buffer-doc-{}", std::process::id()));
    /// # let options = OpenOptions { capacity: Some(16 << 20), dir: Some(dir.clone()), ..Default::default() };
    /// let store = Store::open("example", &options)?;
    /// let mut grid = store.buffer(1 << 20, true, OnCapture::HandOver, &mut || false)?;
    /// grid.as_mut_slice()[0] = 7;
    /// let mut frame = Builder::new();
    /// frame.local("grid", grid.as_slice());
    /// let snapshot = frame.publish(&store, Some("first"))?; // not a byte of the grid is copied
    /// grid.as_mut_slice()[0] = 8; // in a private page
    /// assert_eq!(snapshot.local(0, "grid")?.unwrap().bytes().unwrap()[0], 7);
    /// # store.destroy()?;
    /// # std::fs::remove_dir_all(&dir).unwrap();
    /// # Ok::<(), torpor_store::StoreError>(())
    /// ```
    pub fn buffer(
        &self,
        length: usize,
        zeroed: bool,
        on_capture: OnCapture,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<StoreBuffer, StoreError> {
        let a = self.attachment();
        let mapped = (length.max(1) as u64).next_multiple_of(PAGE);
        let mut waiting = Waiting::default();
        loop {
            a.alive()?;
            let full = match a.claim(mapped, true) {
                Ok((slot, word, place)) => {
                    let window = a.fill_buffer(slot, word, place, length, zeroed);
                    let window = window.inspect_err(|_| a.abandon(slot, word))?;
                    let start = window.start();
                    let entry = Entry { window, length, slot, on_capture, parted: false };
                    a.buffers().0.push(entry);
                    return Ok(StoreBuffer { store: self.clone(), slot, start, length });
                }
                Err(e @ StoreError::Full { .. }) => e,
                Err(e) => return Err(e),
            };
            if self.full() != Full::Wait || mapped > self.capacity() {
                return Err(full);
            }
            self.wait_for_room(&mut waiting, full, interrupt)?;
        }
    }
}

impl Attachment {
    /// Gives pages to a run that is WRITING (mine), maps it, and makes it a held buffer.
    fn fill_buffer(
        &self,
        index: u32,
        word: Word,
        place: Place,
        length: usize,
        zeroed: bool,
    ) -> Result<Window, StoreError> {
        let slot = self.meta.slot(index).ok_or_else(|| self.corrupt("a slot is missing"))?;
        let log2 = self.meta.shape.chunk_log2;
        let Place::Run { start, count, offset, .. } = place else {
            return Err(self.corrupt(format!("slot {index} has no extent")));
        };
        let warm: Vec<u32> = (0..count).filter(|i| self.is_backed(start + i)).collect();
        for i in (0..count).filter(|i| !self.is_backed(start + i)) {
            let at = u64::from(start + i) << log2;
            self.allocate(at, 1 << log2)?;
            self.set_backed(start + i, start + i + 1);
        }
        crash_point!("buffer: pages there, not held");
        let mapped = (length.max(1) as u64).next_multiple_of(PAGE) as usize;
        let window = Window::map(&self.data, offset, mapped)
            .map_err(|e| StoreError::io("map memory of the store at", Some(self.place.clone()), e))?;
        for i in warm {
            // Behind the buffer's end the region has zeros.
            let (from, to) = ((i as usize) << log2, (i as usize + 1) << log2);
            let from = if zeroed { from } else { from.max(length) };
            let n = to.min(mapped).saturating_sub(from);
            // SAFETY: invariants S3 and S12: inside of the window, whose pages exist and are ours.
            unsafe { std::ptr::write_bytes(window.start().add(from.min(mapped)), 0, n) };
        }
        slot.id.store(0, Relaxed);
        slot.name.store(0, Relaxed);
        slot.length.store(length as u64, Relaxed);
        slot.part.store(0, Relaxed);
        slot.next.store(0, Relaxed);
        if !self.pin(index) {
            let what = "this process is not attached to the store".to_string();
            return Err(StoreError::Invalid { what });
        }
        crash_point!("buffer: pinned, still writing");
        slot.word.store(word.with(0, RETIRED).0, SeqCst);
        Ok(window)
    }

    /// Whether the slot is a buffer of a snapshot that is not free.
    pub(crate) fn is_part(&self, slot: &Slot) -> bool {
        let part = slot.part.load(SeqCst);
        if part == 0 {
            return false;
        }
        let (generation, index) = (part >> 24, part as u32 & 0xff_ffff);
        let home = self.meta.slot(index).filter(|_| index < self.meta.slots_ready());
        home.is_some_and(|s| s.load().generation() == generation && s.load().state() != FREE)
    }

    /// The buffers that were handed over to this use of a slot, in the order of the region.
    pub(crate) fn parts_of(&self, index: u32, slot: &Slot, generation: u64) -> Vec<u32> {
        let mut parts = Vec::new();
        let mut next = slot.next.load(SeqCst);
        while let Some(part) = next.checked_sub(1).filter(|p| *p < self.meta.slots_ready()) {
            let Some(buffer) = self.meta.slot(part).filter(|_| parts.len() < MOST_PARTS) else { break };
            if buffer.part.load(SeqCst) != part_word(index, generation) {
                break;
            }
            parts.push(part);
            next = buffer.next.load(SeqCst);
        }
        parts
    }

    /// Frees the buffers of a snapshot that is free, unless a process still holds them (S5: its last pin goes, *then*
    /// it looks at the snapshot; here the snapshot is free, *then* the pins are looked at).
    pub(crate) fn free_parts(&self, parts: &[u32]) {
        std::sync::atomic::fence(SeqCst);
        for &part in parts {
            let Some(buffer) = self.meta.slot(part) else { continue };
            let word = buffer.load();
            if word.state() == RETIRED {
                self.try_free(part, word);
            }
        }
    }

    /// Where the region of a snapshot lies that has buffers: its own part first. `None` if what the tables say cannot
    /// be. The caller has pinned the slot.
    fn ranges_of(&self, index: u32, slot: &Slot, length: u64) -> Option<Vec<(u64, usize)>> {
        let own = self.place(slot.memory.load(SeqCst))?;
        let mut ranges = vec![(own.offset(), 0)];
        let mut local = length;
        for part in self.parts_of(index, slot, slot.load().generation()) {
            let buffer = self.meta.slot(part)?;
            let Place::Run { offset, length, .. } = self.place(buffer.memory.load(SeqCst))? else {
                return None;
            };
            let padded = buffer.length.load(SeqCst).checked_next_multiple_of(PAGE)?;
            if padded == 0 || padded > length || buffer.load().state() != RETIRED {
                return None;
            }
            ranges.push((offset, padded as usize));
            local = local.checked_sub(padded)?;
        }
        ranges[0].1 = local as usize;
        let fits = local > 0 && local % PAGE == 0 && own.offset() % PAGE == 0 && local <= own.length();
        fits.then_some(ranges)
    }

    /// One read-only view of such a snapshot, whose slot the caller has pinned.
    pub(crate) fn stitch(&self, index: u32, slot: &Slot, length: u64) -> Result<Arc<Scattered>, StoreError> {
        let ranges = self.ranges_of(index, slot, length);
        let ranges =
            ranges.ok_or_else(|| self.corrupt(format!("slot {index} claims memory that it cannot have")))?;
        let view = Stitched::map(&self.data_read_only, &ranges, false)
            .map_err(|e| StoreError::io("map a snapshot of the store at", Some(self.place.clone()), e))?;
        Ok(Arc::new(Scattered { ranges, view }))
    }

    /// Which of the builder's buffers can be handed over; `None` if there are none, as is usual. While the value lives
    /// no process is forked and no buffer goes.
    pub(crate) fn handing_over(&self, builder: &SnapshotBuilder<'_>) -> Option<HandingOver<'_>> {
        if builder.buffers.is_empty() {
            return None;
        }
        let buffers = self.buffers();
        let mut parts: Vec<(u32, usize)> = Vec::new();
        for (i, b) in (0..).zip(&builder.buffers) {
            if b.length <= CHECKED_EXTENT || parts.len() == MOST_PARTS {
                continue;
            }
            let found = buffers.0.iter().position(|e| {
                (e.window.start().cast_const(), e.length) == (b.start, b.length)
                    && e.on_capture == OnCapture::HandOver
                    && !e.parted
            });
            let Some(entry) = found.filter(|f| parts.iter().all(|p| p.1 != *f)) else { continue };
            let slot = buffers.0[entry].slot;
            if self.is_held_by_others(slot) {
                self.reap_all(); // perhaps only by the dead
            }
            if !self.is_held_by_others(slot) {
                parts.push((i, entry));
            }
        }
        (!parts.is_empty()).then_some(HandingOver { attachment: self, buffers, parts })
    }

    fn is_held_by_others(&self, index: u32) -> bool {
        let (word, bit) = (self.me() as usize / 64, 1u64 << (self.me() % 64));
        self.meta.pins(index).is_none_or(|row| {
            let others = |(i, w): (usize, u64)| if i == word { w & !bit } else { w };
            row.0.iter().map(|w| w.load(SeqCst)).enumerate().any(|w| others(w) != 0)
        })
    }
}

fn part_word(index: u32, generation: u64) -> u64 {
    generation << 24 | u64::from(index)
}

/// Buffers that are about to become a snapshot's.
pub(crate) struct HandingOver<'a> {
    attachment: &'a Attachment,
    buffers: MutexGuard<'a, Buffers>,
    /// Indices of the builder's buffers, ascending, and of entries.
    parts: Vec<(u32, usize)>,
}

impl HandingOver<'_> {
    pub(crate) fn indices(&self) -> Vec<u32> {
        self.parts.iter().map(|p| p.0).collect()
    }

    /// Ends the sharing and names the buffers in the slot, which is WRITING (mine). If it is given up afterwards, the
    /// buffers are private and nobody's but the program's.
    pub(crate) fn hand_over(mut self, index: u32, word: Word) -> Result<(), StoreError> {
        let a = self.attachment;
        let slot = a.meta.slot(index).ok_or_else(|| a.corrupt("a slot is missing"))?;
        for &(_, entry) in &self.parts {
            let entry = &mut self.buffers.0[entry];
            let parted = entry.window.part(&a.data_read_only);
            parted.map_err(|e| StoreError::io("map memory of the store at", Some(a.place.clone()), e))?;
            entry.parted = true;
        }
        crash_point!("hand over: private, not told");
        let mut next = 0;
        for &(_, entry) in self.parts.iter().rev() {
            let number = self.buffers.0[entry].slot;
            let buffer = a.meta.slot(number).ok_or_else(|| a.corrupt("a slot is missing"))?;
            buffer.next.store(next, SeqCst);
            buffer.part.store(part_word(index, word.generation()), SeqCst);
            crash_point!("hand over: a buffer told");
            next = number + 1;
        }
        slot.next.store(next, SeqCst);
        crash_point!("hand over: the slot told");
        Ok(())
    }
}
