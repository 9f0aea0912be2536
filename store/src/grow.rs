//! The tables of slots and nodes grow by doubling: memory first, then the announcement.
//!
//! `meta` is a sparse file; a cell is touched only after its pages were allocated, so a full file system
//! is an error here and never a fault later.

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::layout::{Table, KEY_CELL};
use crate::sys::crash_point;
use std::sync::atomic::Ordering::SeqCst;

const FIRST_SLOTS: u32 = 1024;
const FIRST_NODES: u32 = 256;

impl Attachment {
    fn allocate_cells(&self, table: Table, from: u32, to: u32, size: usize) -> Result<(), StoreError> {
        let at = self.meta.shape.offset(table) + u64::from(from) * size as u64;
        let length = u64::from(to - from) * size as u64;
        self.allocate_in(&self.meta_file, at, length)
    }

    /// More slots; false at the limit.
    pub(crate) fn grow_slots(&self) -> Result<bool, StoreError> {
        let ready = self.meta.slots_ready();
        let more = (ready * 2).max(FIRST_SLOTS).min(self.meta.shape.slots_max);
        if more == ready {
            return Ok(false);
        }
        self.allocate_cells(Table::Slots, ready, more, 64)?;
        self.allocate_cells(Table::Pins, ready, more, 64)?;
        self.allocate_cells(Table::Ids, ready, more, 4)?;
        crash_point!("grow: allocated, not announced");
        self.meta.header().slots_ready.0.fetch_max(more, SeqCst);
        Ok(true)
    }

    /// More keys; false at the limit.
    pub(crate) fn grow_nodes(&self) -> Result<bool, StoreError> {
        let ready = self.meta.nodes_ready();
        let more = (ready * 2).max(FIRST_NODES).min(self.meta.shape.slots_max);
        if more == ready {
            return Ok(false);
        }
        self.allocate_cells(Table::Nodes, ready, more, 64)?;
        self.allocate_cells(Table::Keys, ready, more, KEY_CELL)?;
        crash_point!("grow: allocated, not announced");
        self.meta.header().nodes_ready.0.fetch_max(more, SeqCst);
        Ok(true)
    }
}
