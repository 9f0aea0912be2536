//! The engine's Python code: files that share one namespace, in a module of their own.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyModule};

/// The files that `python/files.txt` lists, one after another (`build.rs`).
const ENGINE: &str = include_str!(concat!(env!("OUT_DIR"), "/engine.py"));
/// The same, compiled by the Python for which this was built: that one's magic number, then its code marshalled.
/// Empty if it could not be run.
const COMPILED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/engine.pyc"));
/// Bytes of a magic number.
const MAGIC: usize = 4;

/// The engine's Python code as a module. Where two copies of the engine are in one process (a host that
/// links the C library and imports the package), they share it, and with it `run` and `base`: each knows
/// the boundaries that the other made.
pub fn load_engine(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    let source = ENGINE;
    let name = format!("_torpor_engine_{:016x}", xxhash_rust::xxh3::xxh3_64(source.as_bytes()));
    let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
    if let Some(module) = modules.get_item(&name)? {
        return Ok(module.cast_into::<PyModule>()?);
    }
    let module = PyModule::new(py, &name)?;
    let builtins = py.import("builtins")?;
    let code = match compiled(py)? {
        Some(code) => code,
        None => builtins.getattr("compile")?.call1((source, "<torpor engine>", "exec", 0, true, 2))?,
    };
    module.dict().set_item("__builtins__", &builtins)?;
    builtins.getattr("exec")?.call1((code, module.dict()))?;
    modules.set_item(&name, &module)?;
    Ok(module)
}

/// The compiled code, if it is for this interpreter.
fn compiled(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    // SAFETY: E5: the GIL is held.
    let magic = unsafe { ffi::PyImport_GetMagicNumber() } as u32;
    match COMPILED.split_at_checked(MAGIC) {
        Some((built_for, code)) if built_for == magic.to_le_bytes() => {
            Ok(Some(py.import("marshal")?.getattr("loads")?.call1((PyBytes::new(py, code),))?))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    /// A name that two of the files define would be that of the last one, in all of them.
    #[test]
    fn names_of_the_engine_are_defined_once() {
        let mut seen = std::collections::HashSet::new();
        let mut in_text = false;
        for line in super::ENGINE.lines() {
            let quotes = line.matches("\"\"\"").count();
            in_text ^= quotes % 2 == 1;
            if in_text {
                continue;
            }
            let is_name = |n: &&str| !n.is_empty() && n.chars().all(|c| c.is_alphanumeric() || c == '_');
            let defined = line.strip_prefix("def ").or_else(|| line.strip_prefix("class "));
            let names: Vec<&str> = match (defined, line.split_once(" = ")) {
                (Some(rest), _) => rest.split(['(', ':', ' ']).take(1).collect(),
                (None, Some((names, _))) if !line.starts_with(' ') => names.split(", ").collect(),
                _ => Vec::new(),
            };
            for name in names.into_iter().filter(is_name) {
                assert!(seen.insert(name), "{name} is defined twice");
            }
        }
    }
}
