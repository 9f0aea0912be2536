//! From a builder to a published snapshot: claim, write, copy, publish.
//!
//! Step "region" of the flow. A [`Reservation`] owns a slot in the state WRITING; nobody else looks at
//! its memory. If it is dropped, or its process dies, slot and memory go back. Publishing is one store
//! of the slot's word and, with a key, one compare-and-swap of the name.

use crate::attachment::Attachment;
use crate::capture::{SnapshotBuilder, CHECKED_EXTENT};
use crate::error::StoreError;
use crate::key::{Kept, Key};
use crate::region::{self, Plan};
use crate::slot::{Word, FREEING};
use crate::snapshot::{Scattered, Snapshot};
use crate::space::{class_for, Place};
use crate::store::Store;
use crate::sys::{self, crash_point};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

/// A claimed place for one snapshot, its graph already written. Dropping it gives everything back.
#[must_use = "a reservation that is dropped publishes nothing"]
pub struct Reservation<'b> {
    /// `None` once it is published.
    store: Option<Store>,
    builder: &'b SnapshotBuilder<'b>,
    plan: Plan,
    slot: u32,
    word: Word,
    place: Place,
    region: *mut u8,
    /// Buffers of the builder, ascending, that were handed over.
    handed: Vec<u32>,
    copied: bool,
    failed: Option<StoreError>,
}

// SAFETY: invariant S3: the region belongs to this value alone until it is published.
unsafe impl Send for Reservation<'_> {}

impl Attachment {
    /// Claims a slot with memory for `length` bytes, in chunks of its own if `run`; recovers what the dead left if there
    /// is none.
    pub(crate) fn claim(&self, length: u64, run: bool) -> Result<(u32, Word, Place), StoreError> {
        let mut last = None;
        for round in 0..4 {
            match round {
                0 => {}
                1 => {
                    self.reap_all();
                    self.sweep(&self.lock_file(), None);
                }
                2 => {
                    self.trim();
                }
                // Pages help only where the file system has no room; there is no other error of that sort.
                _ if last.is_some() => self.cool_all(),
                _ => break,
            }
            match self.try_claim(length, run) {
                Ok(Some(claim)) => return Ok(claim),
                Ok(None) => last = None,
                Err(e @ StoreError::Full { .. }) => last = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or_else(|| {
            self.full(length, "there is no free run of memory that long, or no free slot")
        }))
    }

    fn try_claim(&self, length: u64, run: bool) -> Result<Option<(u32, Word, Place)>, StoreError> {
        let shape = self.meta.shape;
        if let Some(class) = class_for(length, shape.chunk()).filter(|_| !run) {
            return self.claim_block(class);
        }
        let count = length.div_ceil(shape.chunk());
        if count > u64::from(shape.chunks) {
            return Ok(None);
        }
        let Some((index, word)) = self.claim_bare()? else { return Ok(None) };
        let Some(slot) = self.meta.slot(index) else { return Ok(None) };
        match self.claim_run(index, slot, word, count as u32) {
            Some(place) => Ok(Some((index, word, place))),
            None => {
                let freeing = word.with(self.me(), FREEING);
                if slot.swap_from(word, freeing) {
                    self.finish_free_of(index, slot, freeing);
                }
                Ok(None)
            }
        }
    }

    /// WRITING (mine) to FREE.
    pub(crate) fn abandon(&self, index: u32, word: Word) {
        let Some(slot) = self.meta.slot(index) else { return };
        let freeing = word.with(self.me(), FREEING);
        if slot.swap_from(word, freeing) {
            self.finish_free(index, freeing);
        }
    }

    /// Pages for every chunk of a run that is not about to be filled whole by one `pwrite`.
    pub(crate) fn back_run(
        &self,
        place: &Place,
        plan: &Plan,
        builder: &SnapshotBuilder<'_>,
        handed: &[u32],
    ) -> Result<(), StoreError> {
        let Place::Run { start, count, .. } = *place else { return Ok(()) };
        let chunk = self.meta.shape.chunk();
        let whole: Vec<(u64, u64)> = builder
            .extents(plan, handed)
            .filter(|e| e.offset < plan.local_length)
            .filter(|e| e.length > CHECKED_EXTENT as u64)
            .map(|e| (e.offset.div_ceil(chunk), (e.offset + e.length) / chunk))
            .collect();
        let log2 = self.meta.shape.chunk_log2;
        let mut pending: Option<(u32, u32)> = None;
        for i in 0..=count {
            let written = whole.iter().any(|(a, b)| (*a..*b).contains(&u64::from(i)));
            let cold = i < count && !written && !self.is_backed(start + i);
            match (&mut pending, cold) {
                (Some((_, end)), true) => *end = i + 1,
                (None, true) => pending = Some((i, i + 1)),
                (Some((a, b)), false) => {
                    let (a, b) = (start + *a, start + *b);
                    let length = u64::from(b - a) << log2;
                    self.allocate(u64::from(a) << log2, length)?;
                    self.set_backed(a, b);
                    pending = None;
                }
                (None, false) => {}
            }
        }
        Ok(())
    }

    /// Writes the graph to a place that is WRITING (mine) and has its pages. `region` is the place, mapped.
    #[inline(always)]
    pub(crate) fn write_graph(
        &self,
        builder: &SnapshotBuilder<'_>,
        plan: &Plan,
        handed: &[u32],
        region: *mut u8,
    ) {
        let created = sys::coarse_time();
        // SAFETY: invariants S3 and S7: the region is ours alone, has room for the plan, and the pages of
        // the graph and up to the first extent exist; places are aligned to 512 bytes at least.
        unsafe {
            region::write_graph_without(builder, plan, handed, region, created, self.pid.load(Relaxed));
            if builder.buffer_count() > 0 {
                let gap = (plan.first_extent - plan.graph_length) as usize;
                std::ptr::write_bytes(region.add(plan.graph_length as usize), 0, gap);
            }
        }
        crash_point!("reserve: graph written");
    }

    /// Copies bytes of a buffer to the place: into warm memory by the processor, into chunks that have
    /// no pages yet by the kernel, which neither faults nor zeroes them first.
    ///
    /// # Safety
    /// `source` is valid for reads of `length` bytes, the destination belongs to a slot WRITING (mine).
    unsafe fn copy_in(
        &self,
        base: *mut u8,
        at: u64,
        source: *const u8,
        length: usize,
    ) -> std::io::Result<()> {
        let log2 = self.meta.shape.chunk_log2;
        let end = at + length as u64;
        let mut from = at;
        while from < end {
            let cold = !self.is_backed((from >> log2) as u32);
            let mut to = from;
            let mut entered = true;
            while to < end && self.is_backed((to >> log2) as u32) != cold {
                let here = self.entered((to >> log2) as u32);
                entered &= cold || here.is_some_and(|h| h.swap(1, Relaxed) != 0);
                to = ((to >> log2) + 1) << log2;
            }
            let to = to.min(end);
            let n = (to - from) as usize;
            // SAFETY: by this function's contract; [from, to) is a part of [at, at + length).
            unsafe {
                let part = source.add((from - at) as usize);
                if cold {
                    sys::write_from(&self.data, part, n, from)?;
                    self.set_backed((from >> log2) as u32, to.div_ceil(1 << log2) as u32);
                } else {
                    if !entered && n >= 64 << 10 {
                        sys::populate(base.add(from as usize), n);
                    }
                    std::ptr::copy_nonoverlapping(part, base.add(from as usize), n);
                }
            }
            from = to;
        }
        Ok(())
    }
}

impl Store {
    pub(crate) fn reserve_once<'b>(
        &self,
        builder: &'b SnapshotBuilder<'b>,
    ) -> Result<Reservation<'b>, StoreError> {
        let a = self.attachment();
        a.alive()?;
        let handing_over = a.handing_over(builder);
        let handed = handing_over.as_ref().map_or(Vec::new(), |h| h.indices());
        let plan = Plan::new(builder, &handed);
        plan.check()?;
        let base = a.writable()?;
        // With buffers behind it the region is mapped in pieces: its own one begins at a page then.
        let least = if handed.is_empty() { 0 } else { region::PAGE };
        let (slot, word, place) = a.claim(plan.local_length.max(least), false)?;
        // SAFETY: invariant S7: a checked place lies inside the data file, which is mapped whole.
        let region = unsafe { base.add(place.offset() as usize) };
        let reservation = Reservation {
            store: Some(self.clone()),
            builder,
            plan,
            slot,
            word,
            place,
            region,
            handed,
            copied: false,
            failed: None,
        };
        a.back_run(&place, &plan, builder, &reservation.handed)?; // on failure the reservation is dropped: all goes back
        a.write_graph(builder, &plan, &reservation.handed, region);
        if let Some(h) = handing_over {
            h.hand_over(slot, word)?;
        }
        Ok(reservation)
    }
}

impl Reservation<'_> {
    /// Copies the named buffers, each once, to where it stays. The long part: no lock is held, and a
    /// failure (a full file system) is told by [`publish`](Self::publish).
    pub fn copy_buffers(&mut self) {
        let Some(store) = &self.store else { return };
        let a = store.attachment();
        if self.copied || a.me() != self.word.owner() {
            return;
        }
        self.copied = true;
        let place = self.place.offset();
        // SAFETY: invariants S3 and B1: the region is ours alone, the sources outlive the builder.
        let base = unsafe { self.region.sub(place as usize) };
        let copied = |i: &usize| self.handed.binary_search(&(*i as u32)).is_err();
        for index in (0..self.builder.buffer_count()).filter(copied) {
            // SAFETY: as above; the graph was written by `reserve` with the same builder and plan.
            let result = unsafe {
                region::write_buffer_by(self.builder, &self.plan, self.region, index, |source, length, at| {
                    a.copy_in(base, place + at, source, length)
                })
            };
            if let Err(e) = result {
                self.failed = Some(a.no_space(self.plan.region_length, e));
                return;
            }
        }
    }

    /// Seals and publishes; with a key, makes the key lead here, wakes who waits for it, and lets go of
    /// what it led to before. The snapshot is returned held.
    pub fn publish(mut self, key: Option<&str>) -> Result<Snapshot, StoreError> {
        let key = key.map(Key::new).transpose()?;
        self.copy_buffers();
        let Some(store) = self.store.take() else {
            return Err(StoreError::Invalid { what: "the reservation was published before".to_string() });
        };
        match self.publish_in(store.attachment(), key.as_ref()) {
            Ok((id, scattered)) => {
                let (offset, length) = (self.place.offset(), self.plan.region_length);
                let kept = Kept::from(key.as_ref());
                Ok(Snapshot::of_slot(store, self.slot, id, offset, length, kept, scattered))
            }
            Err(e) => {
                self.store = Some(store); // dropping the reservation gives everything back
                Err(e)
            }
        }
    }

    fn publish_in(
        &mut self,
        a: &Attachment,
        key: Option<&Key<'_>>,
    ) -> Result<(u64, Option<Arc<Scattered>>), StoreError> {
        if a.me() != self.word.owner() {
            let what = "a reservation made before a fork cannot be published in the child".to_string();
            return Err(StoreError::Invalid { what });
        }
        a.alive()?;
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        let slot = a.meta.slot(self.slot).filter(|_| !self.handed.is_empty());
        let scattered = slot.map(|slot| a.stitch(self.slot, slot, self.plan.region_length)).transpose()?;
        Ok((a.publish_slot::<true>(self.slot, self.word, &self.plan, self.region, key)?, scattered))
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let Some(store) = &self.store else { return };
        let a = store.attachment();
        if a.me() == self.word.owner() {
            a.abandon(self.slot, self.word);
        }
    }
}
