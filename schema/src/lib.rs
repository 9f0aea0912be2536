//! What a snapshot is: the Rust code that flatc makes from `snapshot.fbs`.
//!
//! `make schema` regenerates it; `make lint` compares the committed file with what the pinned flatc
//! writes. `FORMAT.md` beside the schema draws the whole region.

#[allow(warnings, clippy::all)]
#[rustfmt::skip]
mod snapshot_generated;

pub use snapshot_generated::torpor::schema::*;

/// Version of the region's format. A reader refuses every other one by name.
pub const FORMAT_VERSION: u32 = 2;
