//! Crash-safe shared-memory store of frame snapshots, without any Python.
#![deny(unsafe_op_in_unsafe_fn)]
mod attachment;
pub mod build;
pub mod capture;
#[cfg(feature = "crash-points")]
pub mod crash;
mod directory;
pub mod error;
mod file;
mod fork;
pub mod frame;
mod graph;
mod grow;
mod layout;
mod linetable;
pub mod memory;
mod names;
pub mod read;
mod reap;
pub mod region;
mod reserve;
mod slot;
pub mod snapshot;
mod space;
mod stats;
pub mod status;
pub mod store;
mod sys;
pub mod value;
mod wait;

pub use build::{ArrayItem, Builder, Element, Item};
pub use capture::SnapshotBuilder;
pub use error::StoreError;
pub use layout::{LAYOUT_VERSION, MAX_KEY, MAX_PROCESSES};
pub use read::{ArrayInfo, FrameInfo, Graph, Kind, Node};
pub use region::{Region, RegionError};
pub use reserve::Reservation;
pub use snapshot::{Mapping, Snapshot};
pub use store::{Full, OpenOptions, Reclaimed, Stats, Store};
pub use value::Value;
