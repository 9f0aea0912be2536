//! One local of a snapshot as a Python object, without building the stack and without running any
//! code of the snapshot: what only a reducer could rebuild comes back as `torpor.Opaque`.

use crate::error::Failure;
use pyo3::prelude::*;
use torpor_store::Snapshot;

pub fn read<'py>(_py: Python<'py>, _snapshot: &Snapshot, _frame: usize, _name: &str) -> Result<Py<PyAny>, Failure> {
    Err(Failure::Platform("reading is not built yet".into()))
}
