//! The functions of `include/torpor.h`: stores, snapshots and values for C, without Python.
//!
//! One file per step of the flow. Every function checks its pointers, turns a panic into a status and
//! fills the caller's `torpor_error`; what it does is in the crate `torpor-store`. The header is
//! generated from the comments here, so they speak to C programmers. Rust names and C names are joined in
//! `include/torpor.toml`.
//!
//! The invariants of the boundary are C1 to C5 of `SAFETY.md`.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod arguments;
pub mod error;

// In the order of the header.
pub mod status;

pub mod store;

pub mod iterate;

pub mod snapshot;

pub mod region;

pub mod frame;

pub mod value;

pub mod array;

pub use error::{guard, Error, Fault};
pub use snapshot::SnapshotHandle;
pub use store::StoreHandle;
