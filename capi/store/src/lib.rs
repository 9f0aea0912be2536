//! libtorpor_store: exports `include/torpor.h` and nothing else. Needs no Python.
#![forbid(unsafe_code)]

// Links the functions in; there is nothing to call from here.
extern crate torpor_capi_shared as _;
