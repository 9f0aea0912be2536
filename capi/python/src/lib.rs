//! libtorpor-3.N: the functions of `include/torpor_python.h`, with those of `include/torpor.h`.
//!
//! For programs that embed one minor version of CPython, from which the Python symbols come. One file
//! per step of the flow; what the functions do is in the crate `torpor-engine`. The invariants of the
//! boundary are C1 to C6 of `SAFETY.md`.
#![deny(unsafe_op_in_unsafe_fn)]

mod gil;

// In the order of the header.
mod capture;

mod adopt;

mod resume;

mod request;

// The functions of torpor.h are linked in.
extern crate torpor_capi_shared as _;
