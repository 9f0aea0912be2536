//! A safe way for programs to make snapshots.
