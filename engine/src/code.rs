//! What is known of a code object: its content hash and its record in a snapshot.
//!
//! Made once per code object and kept with it (`co_extra`), so that a capture finds it by one load.
//! The hash covers everything that decides what the code does (`python/engine.py`, `fingerprint`);
//! two interpreters of one minor version agree on it.

use crate::error::{AdoptError, Failure};
use crate::frame::{self, offset};
use crate::runtime::Runtime;
use crate::values::{text_of, Object};
use flatbuffers::FlatBufferBuilder;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::cell::{Cell, RefCell};
use torpor_schema as schema;

/// What is kept with a code object.
pub struct CodeEntry {
    pub hash: u128,
    /// The nested FlatBuffer `Code`, and its checksum.
    pub record: Vec<u8>,
    pub checksum: u64,
    /// Offsets (code units) at which the code was found to stand in a call.
    call_sites: RefCell<Vec<u32>>,
    /// Depth of the evaluation stack before each code unit, -1 where there is none.
    depths: RefCell<Option<Vec<i32>>>,
    /// Names of globals that the code, and the code in its constants, uses.
    global_names: RefCell<Option<Py<PyTuple>>>,
    /// Names among them that functions of the code's module assign, while that stays behind.
    rebound_names: RefCell<Option<Py<PyTuple>>>,
    assigned_names: RefCell<Option<[Py<PyTuple>; 4]>>,
    made_when_used: RefCell<Option<[Py<PyTuple>; 2]>>,
    pub(crate) submodules: RefCell<Option<crate::values::submodules::Mentioned>>,
    /// The code, or code among its constants, says `import __main__`.
    pub imports_main: bool,
    /// Frames of the code may keep the ids of objects (`python/keyed.py`).
    pub keyed_by_id: bool,
    /// The code looks names up in the namespace of a class.
    pub class_scope: bool,
    /// The code's module is of the standard library, or installed; if it was asked.
    pub is_of_library: Cell<Option<bool>>,
    /// What a frame of the code has in hand that is not whole while it runs.
    pub makes: Makes,
    /// Some slots are those of cells.
    has_cells: bool,
    /// Some cells of the code are at times not in their slots.
    pub clears_cells: bool,
    /// The capture that wrote this code last, and the index that it got there.
    pub written: Cell<(u64, u32)>,
    /// How the function that has this code was found by name the last time.
    pub named: RefCell<Option<Named>>,
}

/// What the methods that make objects have in hand, told by their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    Nothing,
    /// `__init__`, `__setstate__`: what they were called on.
    FirstArgument,
    /// `__new__`: an object of the class that it was called with.
    OfFirstArgument,
}

impl Makes {
    fn of(name: &Bound<'_, PyAny>) -> PyResult<Makes> {
        Ok(match &*name.extract::<std::borrow::Cow<'_, str>>()? {
            "__init__" | "__setstate__" => Makes::FirstArgument,
            "__new__" => Makes::OfFirstArgument,
            _ => Makes::Nothing,
        })
    }
}

/// A function at the top level of a module, as it is written: code hash, then "module:name".
pub struct Named {
    pub module: Py<PyAny>,
    pub qualname: Py<PyAny>,
    pub bytes: Vec<u8>,
    /// The policy under which it was found; another capture may have another.
    pub policy: u64,
}

unsafe extern "C" fn free_entry(entry: *mut std::ffi::c_void) {
    if !entry.is_null() {
        // SAFETY: invariant E4: the pointer was made by Box::into_raw in `entry` and is freed once,
        // by the code object's deallocation.
        drop(unsafe { Box::from_raw(entry.cast::<CodeEntry>()) });
    }
}

/// Asks the interpreter for the place where entries are kept.
pub fn request_index() -> isize {
    // SAFETY: called once with the GIL held, with a function that lives as long as the process.
    unsafe { ffi::PyUnstable_Eval_RequestCodeExtraIndex(free_entry) }
}

/// The entry of `code`, made if it is not there. The reference lives as long as the code object.
///
/// # Safety
/// `code` is a live code object, the GIL is held, and the entry is not used after the code is gone.
#[inline]
pub unsafe fn entry<'a>(runtime: &Runtime, code: *mut ffi::PyObject) -> Result<&'a CodeEntry, Failure> {
    // SAFETY: as the caller promises.
    match unsafe { known_entry(runtime, code) } {
        Some(entry) => Ok(entry),
        None => make_entry(runtime, code),
    }
}

/// The entry of `code`, if it has one.
///
/// # Safety
/// As for [`entry`].
#[inline]
unsafe fn known_entry<'a>(runtime: &Runtime, code: *mut ffi::PyObject) -> Option<&'a CodeEntry> {
    let mut found = std::ptr::null_mut();
    // SAFETY: the index was given out by the interpreter; E4: what is stored under it is a CodeEntry or NULL.
    unsafe {
        let read = ffi::PyUnstable_Code_GetExtra(code, runtime.code_index, &mut found) == 0;
        found.cast::<CodeEntry>().as_ref().filter(|_| read)
    }
}

#[cold]
fn make_entry<'a>(runtime: &Runtime, code: *mut ffi::PyObject) -> Result<&'a CodeEntry, Failure> {
    // SAFETY: the GIL is held by the caller of `entry`.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: `code` is live.
    let object = unsafe { Bound::from_borrowed_ptr(py, code) };
    let hash = runtime.engine.bind(py).getattr("fingerprint")?.call1((&object,))?;
    let hash = u128::from_le_bytes(
        hash.cast::<PyBytes>()
            .map_err(PyErr::from)?
            .as_bytes()
            .try_into()
            .map_err(|_| Failure::Platform("the engine's fingerprint has not 16 bytes".into()))?,
    );
    let record = make_record(py, &object)?;
    let plain: *mut ffi::PyCodeObject = code.cast();
    // SAFETY: live, and the slots are its own.
    let has_cells = unsafe { (0..frame::nlocalsplus(plain)).any(|slot| frame::is_cell_slot(plain, slot)) };
    let made = Box::into_raw(Box::new(CodeEntry {
        hash,
        has_cells,
        imports_main: runtime.engine.bind(py).getattr("imports_main")?.call1((&object,))?.is_truthy()?,
        clears_cells: runtime.engine.bind(py).getattr("clears_cells")?.call1((&object,))?.is_truthy()?,
        keyed_by_id: !runtime.engine.bind(py).getattr("keyed_by_id")?.call1((&object,))?.is_none(),
        makes: Makes::of(&object.getattr("co_name")?)?,
        class_scope: object.getattr("co_freevars")?.contains("__classdict__")?,
        checksum: torpor_store::region::checksum(&record),
        record,
        call_sites: RefCell::default(),
        depths: RefCell::default(),
        global_names: RefCell::default(),
        rebound_names: RefCell::default(),
        assigned_names: RefCell::default(),
        made_when_used: RefCell::default(),
        submodules: RefCell::default(),
        written: Cell::new((0, 0)),
        is_of_library: Cell::new(None),
        named: RefCell::default(),
    }));
    // SAFETY: as in `entry`; on success the code object owns the box.
    unsafe {
        // Python code ran meanwhile: another thread may have made one, or a signal handler. That one is in use.
        if let Some(entry) = known_entry(runtime, code) {
            drop(Box::from_raw(made));
            return Ok(entry);
        }
        if ffi::PyUnstable_Code_SetExtra(code, runtime.code_index, made.cast()) != 0 {
            drop(Box::from_raw(made));
            return Err(PyErr::fetch(py).into());
        }
        Ok(&*made)
    }
}

fn make_record(py: Python<'_>, code: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let text =
        |name: &str| -> PyResult<String> { Ok(code.getattr(name)?.str()?.to_string_lossy().into_owned()) };
    let bytes = |name: &str| -> PyResult<Vec<u8>> { code.getattr(name)?.extract() };
    // SAFETY: invariant E1: localsplusnames (a tuple of str) and localspluskinds (bytes) of a live code object.
    let (names, kinds) = unsafe {
        let at = |offset: usize| *code.as_ptr().byte_add(offset).cast::<*mut ffi::PyObject>();
        (
            Bound::from_borrowed_ptr(py, at(offset::CODE_LOCALSPLUS_NAMES)),
            Bound::from_borrowed_ptr(py, at(offset::CODE_LOCALSPLUS_KINDS)),
        )
    };
    let names: Vec<String> = names.cast::<PyTuple>()?.iter().map(|n| crate::values::text_of(&n)).collect();
    let kinds: Vec<u8> = kinds.extract()?;
    let marshal: Vec<u8> = py.import("marshal")?.getattr("dumps")?.call1((code,))?.extract()?;
    let mut b = FlatBufferBuilder::with_capacity(marshal.len() + 1024);
    let marshal = b.create_vector(&marshal);
    let linetable = b.create_vector(&bytes("co_linetable")?);
    let kinds = b.create_vector(&kinds);
    let names: Vec<_> = names.iter().map(|n| b.create_string(n)).collect();
    let names = b.create_vector(&names);
    let args = schema::CodeArgs {
        name: Some(b.create_string(&text("co_name")?)),
        qualname: Some(b.create_string(&text("co_qualname")?)),
        filename: Some(b.create_string(&text("co_filename")?)),
        module: None,
        firstlineno: code.getattr("co_firstlineno")?.extract()?,
        flags: code.getattr("co_flags")?.extract()?,
        localsplus_names: Some(names),
        localsplus_kinds: Some(kinds),
        linetable: Some(linetable),
        marshal: Some(marshal),
    };
    let root = schema::Code::create(&mut b, &args);
    b.finish_minimal(root);
    let mut record = b.finished_data().to_vec();
    record.resize(record.len().next_multiple_of(8), 0);
    Ok(record)
}

impl CodeEntry {
    /// The names of globals that the code uses, nested code included.
    pub fn global_names<'py>(
        &self,
        py: Python<'py>,
        runtime: &Runtime,
        code: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        if let Some(names) = &*self.global_names.borrow() {
            return Ok(names.bind(py).clone());
        }
        let names =
            runtime.engine.bind(py).getattr("global_names")?.call1((code,))?.cast_into::<PyTuple>()?;
        *self.global_names.borrow_mut() = Some(names.clone().unbind());
        Ok(names)
    }

    /// The names that the code assigns, nested code included: of globals, in closures; those that it assigns where
    /// its locals are a mapping; and of attributes that may be a class's.
    pub fn assigned_names<'py>(
        &self,
        py: Python<'py>,
        runtime: &Runtime,
        code: &Bound<'py, PyAny>,
    ) -> PyResult<[Bound<'py, PyTuple>; 4]> {
        if self.assigned_names.borrow().is_none() {
            let names = runtime.engine.bind(py).getattr("assigned_names")?.call1((code,))?;
            *self.assigned_names.borrow_mut() = Some(names.extract::<[Py<PyTuple>; 4]>()?);
        }
        let names = self.assigned_names.borrow();
        names
            .as_ref()
            .map(|names| names.each_ref().map(|n| n.bind(py).clone()))
            .ok_or_else(|| pyo3::exceptions::PySystemError::new_err("names that were just found are gone"))
    }

    /// The names that functions of the code's module assign; `None` if there are none.
    pub fn rebound_names<'py>(
        &self,
        py: Python<'py>,
        runtime: &Runtime,
        code: &Bound<'py, PyAny>,
        module: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        if self.rebound_names.borrow().is_none() {
            let names = runtime.engine.bind(py).getattr("rebound_of")?.call1((module, code))?;
            *self.rebound_names.borrow_mut() = Some(names.cast_into::<PyTuple>()?.unbind());
        }
        let names = self.rebound_names.borrow();
        Ok(names.as_ref().map(|n| n.bind(py)).filter(|n| !n.is_empty()).cloned())
    }

    /// Names of the code's module that are None until they are made, and those of dicts that are empty until they are
    /// filled; `None` if there are none.
    pub fn made_when_used<'py>(
        &self,
        py: Python<'py>,
        runtime: &Runtime,
        code: &Bound<'py, PyAny>,
        module: &Bound<'py, PyAny>,
    ) -> PyResult<Option<[Bound<'py, PyTuple>; 2]>> {
        if self.made_when_used.borrow().is_none() {
            let names = runtime.engine.bind(py).getattr("made_when_used")?.call1((module, code))?;
            *self.made_when_used.borrow_mut() = Some(names.extract::<[Py<PyTuple>; 2]>()?);
        }
        let names = self.made_when_used.borrow();
        let names = names.as_ref().map(|names| names.each_ref().map(|n| n.bind(py).clone()));
        Ok(names.filter(|names| names.iter().any(|n| !n.is_empty())))
    }

    /// Depth of the evaluation stack before the instruction at `unit`, as the compiler made it; `None` if
    /// no instruction that can be reached begins there.
    ///
    /// # Safety
    /// `code` is the live code object of this entry; the GIL is held.
    pub unsafe fn depth_before(
        &self,
        runtime: &Runtime,
        code: *mut ffi::PyObject,
        unit: u32,
    ) -> Result<Option<usize>, Failure> {
        if self.depths.borrow().is_none() {
            // SAFETY: the GIL is held, `code` is live.
            let (py, code) = unsafe {
                let py = Python::assume_attached();
                (py, Bound::from_borrowed_ptr(py, code))
            };
            let depths = runtime.engine.bind(py).getattr("depths_before")?.call1((code,))?.extract()?;
            *self.depths.borrow_mut() = Some(depths);
        }
        let depths = self.depths.borrow();
        let depth = depths.as_ref().and_then(|d| d.get(unit as usize)).copied();
        Ok(depth.and_then(|d| usize::try_from(d).ok()))
    }

    /// Whether the instruction at `unit` (or the one whose inline cache it is) calls a function.
    ///
    /// # Safety
    /// `code` is the live code object of this entry; the GIL is held.
    pub unsafe fn stands_in_call(&self, code: *mut ffi::PyObject, unit: u32) -> bool {
        if self.call_sites.borrow().contains(&unit) {
            return true;
        }
        // SAFETY: the GIL is held, `code` is live.
        let is_call = unsafe { opcode_at(code, unit) }.is_some_and(|(op, _)| frame::CALLS.contains(&op));
        if is_call {
            self.call_sites.borrow_mut().push(unit);
        }
        is_call
    }
}

/// The opcode of the instruction to which `unit` belongs, as compiled (neither specialised nor
/// instrumented), and the unit at which it begins.
///
/// # Safety
/// `code` is a live code object; the GIL is held.
pub unsafe fn opcode_at(code: *mut ffi::PyObject, unit: u32) -> Option<(u8, u32)> {
    // SAFETY: the GIL is held, so an attached Python exists.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: PyCode_GetCode returns a new reference or NULL with an exception.
    let Ok(bytes) = (unsafe { Bound::from_owned_ptr_or_err(py, frame::PyCode_GetCode(code.cast())) }) else {
        return None;
    };
    let bytes = bytes.cast::<PyBytes>().ok()?.as_bytes();
    let mut at = unit as usize;
    // Inline caches are code units with opcode 0.
    while at > 0 && bytes.get(2 * at).copied()? == 0 {
        at -= 1;
    }
    Some((bytes.get(2 * at).copied()?, at as u32))
}

/// The argument of the instruction at `unit`, without what prefixes add.
///
/// # Safety
/// `code` is a live code object; the GIL is held.
pub unsafe fn argument_at(code: *mut ffi::PyObject, unit: u32) -> Option<u8> {
    // SAFETY: as in `opcode_at`.
    unsafe {
        let bytes =
            Bound::from_owned_ptr_or_err(Python::assume_attached(), frame::PyCode_GetCode(code.cast()))
                .ok()?;
        bytes.cast::<PyBytes>().ok()?.as_bytes().get(2 * unit as usize + 1).copied()
    }
}

/// Refuses a place of a frame that its code does not have: the evaluation stack must be as deep before the
/// instruction at `unit` as it will be when the frame goes on there.
///
/// # Safety
/// `code` is a live code object; the GIL is held.
pub unsafe fn check_place(
    runtime: &Runtime,
    code: *mut ffi::PyObject,
    unit: u32,
    depth: usize,
) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    let known = unsafe { entry(runtime, code)?.depth_before(runtime, code, unit)? };
    if known == Some(depth) {
        return Ok(());
    }
    Err(Failure::corrupt(match known {
        Some(known) => {
            format!("a frame goes on with {depth} values on its evaluation stack, its code expects {known}")
        }
        None => "a frame goes on where its code has no instruction".into(),
    }))
}

/// Refuses a frame that has something else where its code takes for granted that there is a cell.
///
/// # Safety
/// `code` is a live code object; `values` are a frame's slots and evaluation stack, NULL or live; the GIL is
/// held.
pub unsafe fn check_cells(
    runtime: &Runtime,
    code: *mut ffi::PyObject,
    unit: u32,
    values: &[*mut ffi::PyObject],
) -> Result<(), Failure> {
    // SAFETY: (whole body) as the caller promises; E1 for the code object's fields.
    unsafe {
        let is_cell = |value: &*mut ffi::PyObject| {
            !value.is_null() && ffi::Py_TYPE(*value) == &raw mut ffi::PyCell_Type
        };
        let entry = entry(runtime, code)?;
        if !entry.has_cells && !entry.clears_cells {
            return Ok(());
        }
        let nlocals = frame::nlocalsplus(code.cast());
        let right = if entry.clears_cells {
            let py = Python::assume_attached();
            let code = Bound::from_borrowed_ptr(py, code);
            let found = runtime.engine.bind(py).getattr("cells_at")?.call1((code, unit, nlocals))?;
            let (slots, places): (Vec<usize>, Vec<usize>) = found.extract()?;
            let stack = values.get(nlocals..).unwrap_or_default();
            slots.iter().all(|i| values.get(*i).is_some_and(is_cell))
                && places.iter().all(|i| stack.get(*i).is_none_or(is_cell))
        } else {
            (0..nlocals).all(|i| !frame::is_cell_slot(code.cast(), i) || values.get(i).is_some_and(is_cell))
        };
        if right {
            return Ok(());
        }
        Err(Failure::corrupt("a variable that a closure shares is not in a cell"))
    }
}

/// Whether `function`, which a snapshot names as the one that runs `code`, is a Python function here: another kind of
/// object can stand under its name.
///
/// # Safety
/// `function` is NULL or live, `code` is a live code object; the GIL is held.
pub(crate) unsafe fn check_function(py: Python<'_>, function: Object, code: Object) -> Result<(), Failure> {
    if function.is_null() {
        return Err(Failure::corrupt("a frame has no function"));
    }
    // SAFETY: (whole body) E5: as the caller promises.
    unsafe {
        if ffi::Py_TYPE(function) == &raw mut ffi::PyFunction_Type {
            return Ok(());
        }
        let code = Bound::from_borrowed_ptr(py, code);
        let class = Bound::from_borrowed_ptr(py, function).get_type();
        Err(AdoptError::Missing(format!(
            "the snapshot has a frame of the function '{}' ({}), and what stands under its name here is a {}; make it \
             the one that was captured, or capture with by_value= and the name of its module",
            text_of(&code.getattr("co_qualname")?),
            text_of(&code.getattr("co_filename")?),
            text_of(class.qualname()?.as_any()),
        ))
        .into())
    }
}
