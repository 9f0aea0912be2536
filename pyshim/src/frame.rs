//! Step "frame": what a snapshot says about one of its frames, without building anything of it.

use pyo3::prelude::*;
use torpor_store::read::FrameInfo;

/// One frame of a snapshot.
#[pyclass(module = "torpor._native", frozen, get_all)]
pub struct SnapshotFrame {
    function: String,
    qualname: String,
    module: Option<String>,
    filename: String,
    firstlineno: i32,
    lineno: i32,
    locals_names: Vec<String>,
}

impl From<FrameInfo> for SnapshotFrame {
    fn from(f: FrameInfo) -> Self {
        SnapshotFrame {
            function: f.function,
            qualname: f.qualname,
            module: Some(f.module).filter(|name| !name.is_empty()),
            filename: f.filename,
            firstlineno: f.firstlineno,
            lineno: f.lineno,
            locals_names: f.local_names,
        }
    }
}

#[pymethods]
impl SnapshotFrame {
    fn __repr__(&self) -> String {
        format!("<snapshot frame {} at {}:{}>", self.qualname, self.filename, self.lineno)
    }
}
