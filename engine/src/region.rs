//! Step "region" of the flow: a graph that is ready becomes a snapshot in a store.
//!
//! The graph is written under the GIL; big buffers are copied without it.

use crate::error::Failure;
use crate::values::encode::Work;
use pyo3::prelude::*;
use torpor_store::{Full, Reservation, Snapshot, SnapshotBuilder, Store};

/// Below this many bytes a copy takes less time than giving the GIL away.
const COPY_WITHOUT_GIL: u64 = 1 << 20;

struct Copying<'a, 'b>(&'a mut Reservation<'b>);
// SAFETY: invariant B1: the copy only reads the named buffers, whose owners the encoder's work holds
// until the snapshot is published; nothing in a Reservation belongs to one thread.
unsafe impl Send for Copying<'_, '_> {}

impl Copying<'_, '_> {
    fn run(self) {
        self.0.copy_buffers();
    }
}

/// A value that may cross to a closure that runs without the GIL.
struct Crossing<T>(T);
// SAFETY: invariant B1: as for Copying; the builder is only read meanwhile.
unsafe impl<T> Send for Crossing<T> {}

impl<T> Crossing<T> {
    fn take(self) -> T {
        self.0
    }
}

/// Reserves in a store that waits for room: without the GIL, so that other threads can make room, and
/// interruptible by signals.
fn wait_for_room<'b>(
    py: Python<'_>,
    store: &Store,
    key: Option<&str>,
    builder: &'b SnapshotBuilder<'static>,
) -> Result<Reservation<'b>, Failure> {
    let mut raised = None;
    let mut interrupt = || match Python::attach(|py| py.check_signals()) {
        Ok(()) => false,
        Err(e) => {
            raised = Some(e);
            true
        }
    };
    let work = Crossing((store, key, builder, &mut interrupt));
    let reserved = py.detach(move || {
        let (store, key, builder, interrupt) = work.take();
        Crossing(store.reserve_for(builder, key, interrupt))
    });
    match raised {
        Some(e) => Err(e.into()),
        None => Ok(reserved.take()?),
    }
}

/// Stores what `builder` holds; `_work` keeps the owners of its buffers alive.
pub fn publish(
    py: Python<'_>,
    store: &Store,
    key: Option<&str>,
    builder: &SnapshotBuilder<'static>,
    _work: &Work,
) -> Result<Snapshot, Failure> {
    let waits = store.full() == Full::Wait;
    if !waits && builder.buffer_bytes() < COPY_WITHOUT_GIL {
        return Ok(store.publish(builder, key, &mut || false)?);
    }
    let mut reservation = match waits {
        true => wait_for_room(py, store, key, builder)?,
        false => store.reserve_for(builder, key, &mut || false)?,
    };
    if builder.buffer_bytes() >= COPY_WITHOUT_GIL {
        let copying = Copying(&mut reservation);
        py.detach(move || {
            let copying = copying;
            copying.run();
        });
    } else {
        reservation.copy_buffers();
    }
    Ok(reservation.publish(key)?)
}

/// Makes a snapshot in memory of this process's own.
pub fn detached(builder: &SnapshotBuilder<'static>) -> Result<Snapshot, Failure> {
    let plan = builder.plan();
    let mut words = vec![0u64; (plan.region_length as usize).div_ceil(8)];
    let region = words.as_mut_ptr().cast::<u8>();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // SAFETY: invariant R1: the memory has region_length bytes, aligned to 8; the plan was just made.
    let bytes = unsafe {
        torpor_store::region::write_graph(builder, &plan, region, now.as_nanos() as u64, std::process::id());
        for i in 0..builder.buffer_count() {
            torpor_store::region::write_buffer(builder, &plan, region, i);
        }
        torpor_store::region::seal(&plan, region);
        std::slice::from_raw_parts(region, plan.region_length as usize)
    };
    Ok(Snapshot::from_bytes(bytes)?)
}
