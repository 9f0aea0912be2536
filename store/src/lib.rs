//! Crash-safe shared-memory store of frame snapshots, without any Python.
#![deny(unsafe_op_in_unsafe_fn)]
pub mod capture;
pub mod error;
pub mod frame;
pub mod region;
pub mod snapshot;
pub mod status;
pub mod store;
pub mod value;

pub use capture::SnapshotBuilder;
pub use error::StoreError;
pub use region::{Region, RegionError};
pub use snapshot::{Mapping, Snapshot};
pub use store::{Full, OpenOptions, Reclaimed, Reservation, Stats, Store};
pub use value::Value;
