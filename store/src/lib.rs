//! Crash-safe shared-memory store of frame snapshots, without any Python.
#![deny(unsafe_op_in_unsafe_fn)]
pub mod capture;
pub mod frame;
pub mod region;
pub mod value;

pub use capture::SnapshotBuilder;
pub use region::{Region, RegionError};
pub use value::Value;
