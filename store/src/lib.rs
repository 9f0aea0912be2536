//! Crash-safe shared-memory store of frame snapshots, without any Python.
//!
//! A [`Store`] is a named area of memory that the processes of one user on one host share; a
//! [`Snapshot`] is an immutable region of it. Publishing is one atomic step, adopting costs the same for
//! a kilobyte and for gigabytes, and a process may be killed at any instant without losing, damaging or
//! leaking anything that [`Store::gc`] or the next process does not bring back. There is no daemon and
//! no global lock.
//!
//! ```
//! use torpor_store::{Builder, OpenOptions, Store};
//! # let dir = std::env::temp_dir().join(format!("torpor-crate-doc-{}", std::process::id()));
//! let options = OpenOptions { capacity: Some(64 << 20), dir: Some(dir.clone()), ..Default::default() };
//! let store = Store::open("jobs", &options)?;
//!
//! let grid = vec![0.25f64; 1 << 20];
//! let mut frame = Builder::new();
//! frame.local("step", 100i64).local("grid", &grid[..]);
//! frame.publish(&store, Some("heat"))?;
//!
//! // In this process or any other:
//! let snapshot = store.snapshot("heat")?;
//! let grid = snapshot.local(0, "grid")?.expect("a local of that name");
//! assert_eq!(grid.array().unwrap().data.len(), 8 << 20);
//! # store.destroy()?;
//! # std::fs::remove_dir_all(dir).unwrap();
//! # Ok::<(), torpor_store::StoreError>(())
//! ```
//!
//! The flow, in the order of the stage words: [`frame`], [`capture`], [`region`], adopt
//! ([`snapshot`]). [`read`] and [`build`] are for programs without Python; `schema/FORMAT.md` draws every
//! byte, `SAFETY.md` numbers what the `unsafe` blocks rely on.
#![deny(unsafe_op_in_unsafe_fn)]
mod atomic;
mod attachment;
pub mod buffer;
pub mod build;
pub mod capture;
#[cfg(feature = "crash-points")]
pub mod crash;
mod directory;
pub mod error;
mod evict;
mod file;
mod fork;
pub mod frame;
mod graph;
mod grow;
mod key;
mod layout;
mod linetable;
pub mod memory;
mod names;
mod node;
mod padding;
mod plan;
pub(crate) mod publish;
pub mod read;
mod reap;
pub mod region;
mod reserve;
pub mod segment;
mod slab;
mod slot;
pub mod snapshot;
mod space;
mod stats;
pub mod status;
pub mod store;
mod sys;
pub mod value;
mod wait;

pub use buffer::{OnCapture, StoreBuffer};
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
