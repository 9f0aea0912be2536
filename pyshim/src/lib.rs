//! The Python module `torpor._native`.
