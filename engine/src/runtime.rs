//! What the engine knows of the interpreter it runs in: made once, at `initialize`.
//!
//! Everything here is used with the GIL held, which is what protects the cells and maps.

use crate::code;
use crate::error::Failure;
use crate::parts::Engine;
use crate::process_state::Watch;
use crate::spare::Spare;
use crate::stack::Stack;
use crate::values::array::{plain_type, PlainType};
use crate::values::direct::Way;
use crate::values::instance::Layouts;
use crate::values::origin::Origins;
use crate::values::owned::ModuleIndex;
use crate::values::protocol::Library;
use crate::values::submodules::Submodules;
use crate::values::{Object, Strong, INTRINSICS};
use hashbrown::{HashMap, HashSet};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyModule, PySet, PyString, PyTuple, PyType};
use rustc_hash::FxBuildHasher;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Interned names that the hot path looks up.
pub struct Names {
    pub name: Py<PyString>,
    pub spec: Py<PyString>,
}

/// How a class was found by name.
#[derive(Clone)]
pub(crate) struct ClassName {
    pub module: Rc<Py<PyString>>,
    pub qualname: Rc<Py<PyString>>,
    /// "module:qualname"
    pub full: Rc<str>,
    pub policy: u64,
}

/// "module:outer.inner", taken apart.
pub struct NamePath {
    pub module: Py<PyString>,
    pub parts: Vec<Py<PyString>>,
}

/// Places in the cache of interned texts.
const TEXTS: usize = 1024;

/// Code objects with the records from which they were made, by content hash.
type CodeCache = HashMap<u128, (Vec<u8>, Py<PyAny>), FxBuildHasher>;
/// An instruction, the next one, and where a loop there goes on when it ends.
type Place = (u32, u32, u32);
/// An interned text and its bytes.
type Text = (Box<[u8]>, Py<PyAny>);
type DescrCache = HashMap<usize, (Py<PyAny>, Option<Rc<PlainType>>), FxBuildHasher>;

pub struct Runtime {
    pub engine: Engine,
    pub engine_globals: Object,
    /// The dict of the module `builtins`.
    pub builtins: Object,
    pub code_index: isize,
    pub names: Names,
    pub reducers: Py<PyDict>,
    pub dispatch_table: Py<PyDict>,
    /// Classes of what classes have among their names: properties, wrapped methods.
    pub class_members: Py<PyDict>,
    pub newobj: Py<PyAny>,
    /// A class whose slots all call Python methods.
    pub hooks: Py<PyType>,
    /// Every `weakref.finalize` that waits.
    pub(crate) finalizers: Py<PyDict>,
    /// `Lock`, `RLock` and `Condition`.
    pub(crate) locks: [Py<PyAny>; 3],
    /// The class that the adopter's `__main__` may have, which is otherwise a plain module.
    answering_main: Py<PyAny>,
    /// Whether it was given it.
    pub(crate) main_answers: Cell<bool>,
    /// The hidden functions between which a stack is spliced, and what they call.
    pub base: Py<PyAny>,
    pub hold: Py<PyAny>,
    pub prepare: Py<PyAny>,
    pub splice: Py<PyAny>,
    pub undo: Py<PyAny>,
    pub run: Py<PyAny>,
    /// What leaves a context that a resumed stack runs in.
    pub finish_context: Py<PyAny>,
    /// The finisher that holds what the process had.
    pub finish_state: Py<PyAny>,
    pub(crate) process_state: RefCell<Watch>,
    pub(crate) submodules: RefCell<Submodules>,
    pub(crate) origins: RefCell<Origins>,
    /// Classes that were registered with none, with the tags of their versions, and how many registrations there were.
    pub(crate) unregistered: RefCell<HashMap<(usize, u32), u64, FxBuildHasher>>,
    /// Modules that have context variables under names, by the variable's address, and what the modules were like then.
    pub(crate) variable_homes: RefCell<HashMap<usize, (u64, Py<PyList>), FxBuildHasher>>,
    /// How classes were found by name, with the tags of their versions.
    pub(crate) class_names: RefCell<HashMap<(usize, u32), ClassName, FxBuildHasher>>,
    /// Classes whose objects travel as what never changes.
    unchanging: RefCell<Vec<Py<PyAny>>>,
    /// Where functions of torpor's own stand while they wait: by function, and whether in a loop.
    pub(crate) places: RefCell<HashMap<(usize, bool), Place, FxBuildHasher>>,
    /// The finisher that holds what runs an event loop.
    pub finish_asyncio: Py<PyAny>,
    /// Code objects below which a capture ends: `run`, `base`, and what calls a thread's function.
    pub boundaries: RefCell<HashSet<usize, FxBuildHasher>>,
    /// Code objects of wrappers through which a capture is called.
    pub entries: RefCell<HashSet<usize, FxBuildHasher>>,
    /// The outermost frame of every resumed stack that has not ended, and its word for the handled exception.
    pub outermost: RefCell<Vec<(usize, usize)>>,
    /// Memory for adopts and resumes to come.
    #[allow(clippy::vec_box)] // they are handed on as they are
    pub(crate) spare_stacks: RefCell<Vec<Box<Stack>>>,
    pub(crate) spares: RefCell<Vec<Spare>>,
    pub(crate) spare_context: Cell<Option<Strong>>,
    intrinsics: HashMap<usize, u32, FxBuildHasher>,
    pub(crate) module_index: RefCell<ModuleIndex>,
    /// The namespaces of importlib's two frozen modules, and its class of locks.
    pub import_spaces: [Object; 2],
    pub module_lock: Py<PyType>,
    pub import_lock_context: Py<PyType>,
    /// The code object that gives back a lock which only the interpreter knows; None if there is none.
    pub releases_lock: Py<PyAny>,
    pub module_spec: Py<PyAny>,
    ndarray: Cell<usize>,
    thread: Py<PyAny>,
    pub(crate) layouts: Layouts,
    /// Classes that their modules have from the start, with the tags of their versions.
    pub(crate) imported_classes: RefCell<HashSet<(usize, u32), FxBuildHasher>>,
    /// Whose methods classes have, with the tags of their versions.
    pub(crate) library_protocols: RefCell<HashMap<(usize, u32), Library, FxBuildHasher>>,
    /// Classes whose objects were asked in a walk, with the tags of their versions.
    pub(crate) ways: RefCell<HashMap<(usize, u32), Way, FxBuildHasher>>,
    /// What `__reduce_ex__` is called with.
    pub(crate) reduce_arguments: Py<PyTuple>,
    descrs: RefCell<DescrCache>,
    dtypes: RefCell<HashMap<String, Py<PyAny>, FxBuildHasher>>,
    known_codes: RefCell<CodeCache>,
    paths: RefCell<HashMap<Box<[u8]>, Rc<NamePath>, FxBuildHasher>>,
    /// Interned texts that snapshots brought lately, by a hash of their bytes.
    texts: RefCell<Vec<Option<Text>>>,
    /// States of tracing in which the ways of calling C were learnt (`c_stack.rs`).
    pub lessons: Py<PySet>,
    /// Likewise for the kinds of calls through C (`gaps.rs`).
    pub kind_lessons: Py<PySet>,
    kept: RefCell<Vec<Py<PyAny>>>,
    pub code_changed: RefCell<Option<Py<PyAny>>>,
    pub state_ignored: RefCell<Option<Py<PyAny>>>,
    pub opaque: RefCell<Option<Py<PyAny>>>,
}

// SAFETY: invariant E5: a Runtime is reached only through `get`, with the GIL held, which serialises
// every use; free-threaded builds are refused.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

static RUNTIME: PyOnceLock<Runtime> = PyOnceLock::new();

/// PY_VERSION_HEX of the running interpreter.
pub fn python_hex() -> u32 {
    // SAFETY: a constant of the interpreter.
    unsafe { ffi::Py_Version as u32 }
}

/// The runtime, if `initialize` succeeded.
#[inline]
pub fn get(py: Python<'_>) -> Result<&Runtime, Failure> {
    match RUNTIME.get(py) {
        Some(runtime) => Ok(runtime),
        None => make(py),
    }
}

pub fn started(py: Python<'_>) -> bool {
    RUNTIME.get(py).is_some()
}

#[cold]
fn make(py: Python<'_>) -> Result<&Runtime, Failure> {
    crate::initialize(py)?;
    RUNTIME.get(py).ok_or_else(|| Failure::Platform("torpor's engine did not start".into()))
}

/// Loads the engine's Python code and makes the runtime. The layouts were checked before.
pub fn start(
    py: Python<'_>,
    engine: Bound<'_, PyModule>,
    [prepare, splice, undo]: [Py<PyAny>; 3],
) -> Result<(), Failure> {
    if RUNTIME.get(py).is_some() {
        return Ok(());
    }
    let get = |name: &str| engine.getattr(name).map(Bound::unbind);
    let (base, hold, run) = (get("base")?, get("hold")?, get("run")?);
    let code_of = |f: &Py<PyAny>| -> PyResult<usize> { Ok(f.getattr(py, "__code__")?.as_ptr() as usize) };
    for function in [Ok(base.bind(py).clone()), Ok(hold.bind(py).clone())]
        .into_iter()
        .chain(engine.getattr("HIDDEN")?.try_iter()?)
    {
        crate::hide(&engine, &function?)?;
    }
    let mut boundaries = HashSet::default();
    let mut kept = Vec::new();
    boundaries.insert(code_of(&run)?);
    boundaries.insert(code_of(&base)?);
    let thread = py.import("threading")?.getattr("Thread")?;
    for name in ["run", "_bootstrap_inner"] {
        let f = thread.getattr(name)?.unbind();
        boundaries.insert(code_of(&f)?);
        kept.push(f);
    }
    let mut intrinsics = HashMap::default();
    for (i, name) in INTRINSICS.iter().enumerate() {
        intrinsics.insert(engine.getattr(*name)?.as_ptr() as usize, i as u32);
    }
    let copyreg = py.import("copyreg")?;
    let spaces = engine.getattr("IMPORT_SPACES")?;
    let runtime = Runtime {
        engine_globals: engine.dict().as_ptr(),
        builtins: py.import("builtins")?.dict().as_ptr(),
        code_index: code::request_index(),
        names: Names {
            name: PyString::intern(py, "__name__").unbind(),
            spec: PyString::intern(py, "__spec__").unbind(),
        },
        reducers: engine.getattr("REDUCERS")?.cast_into::<PyDict>().map_err(PyErr::from)?.unbind(),
        class_members: engine.getattr("CLASS_MEMBERS")?.cast_into::<PyDict>().map_err(PyErr::from)?.unbind(),
        dispatch_table: copyreg
            .getattr("dispatch_table")?
            .cast_into::<PyDict>()
            .map_err(PyErr::from)?
            .unbind(),
        newobj: copyreg.getattr("__newobj__")?.unbind(),
        hooks: engine.getattr("Hooks")?.cast_into::<PyType>().map_err(PyErr::from)?.unbind(),
        finalizers: engine.getattr("FINALIZERS")?.cast_into::<PyDict>().map_err(PyErr::from)?.unbind(),
        locks: [get("LOCK")?, get("RLOCK")?, get("CONDITION")?],
        answering_main: get("AnsweringMain")?,
        main_answers: Cell::default(),
        base,
        hold,
        prepare,
        splice,
        undo,
        run,
        finish_context: get("finish_context")?,
        finish_asyncio: get("finish_asyncio")?,
        finish_state: get("finish_state")?,
        process_state: RefCell::new(Watch::begin(py, &engine)?),
        submodules: RefCell::default(),
        origins: RefCell::default(),
        boundaries: RefCell::new(boundaries),
        entries: RefCell::default(),
        outermost: RefCell::default(),
        spare_stacks: RefCell::default(),
        spares: RefCell::default(),
        spare_context: Cell::default(),
        intrinsics,
        module_index: RefCell::default(),
        import_spaces: [0, 1].map(|i| spaces.get_item(i).map_or(std::ptr::null_mut(), |s| s.as_ptr())),
        releases_lock: get("RELEASES_LOCK")?,
        import_lock_context: engine
            .getattr("ImportLockContext")?
            .cast_into::<PyType>()
            .map_err(PyErr::from)?
            .unbind(),
        module_lock: engine.getattr("ModuleLock")?.cast_into::<PyType>().map_err(PyErr::from)?.unbind(),
        module_spec: engine.getattr("ModuleSpec")?.unbind(),
        ndarray: Cell::new(0),
        thread: thread.unbind(),
        layouts: Layouts::default(),
        imported_classes: RefCell::default(),
        library_protocols: RefCell::default(),
        ways: RefCell::default(),
        reduce_arguments: PyTuple::new(py, [5])?.unbind(),
        places: RefCell::default(),
        unchanging: RefCell::default(),
        variable_homes: RefCell::default(),
        class_names: RefCell::default(),
        unregistered: RefCell::default(),
        descrs: RefCell::default(),
        dtypes: RefCell::default(),
        known_codes: RefCell::default(),
        paths: RefCell::default(),
        texts: RefCell::new((0..TEXTS).map(|_| None).collect()),
        lessons: PySet::empty(py)?.unbind(),
        kind_lessons: PySet::empty(py)?.unbind(),
        kept: RefCell::new(kept),
        code_changed: RefCell::default(),
        state_ignored: RefCell::default(),
        opaque: RefCell::default(),
        engine: Engine::new(engine.unbind()),
    };
    let _ = RUNTIME.set(py, runtime);
    self::get(py)?.engine.bind(py).getattr("watch_forks")?.call0()?;
    Ok(())
}

impl Runtime {
    /// `sys.modules[name]`, without importing.
    #[inline]
    pub fn module_named<'py>(&self, py: Python<'py>, name: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: the interpreter's dict of modules; a text key runs no code.
        unsafe {
            let found = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), name.as_ptr());
            if found.is_null() {
                ffi::PyErr_Clear();
                return None;
            }
            Some(Bound::from_borrowed_ptr(py, found)).filter(|m| !m.is_none())
        }
    }

    pub fn intrinsic_number(&self, function: Object) -> Option<u32> {
        self.intrinsics.get(&(function as usize)).copied()
    }

    /// "types:NoneType" for builtin classes that are found under another name than their own.
    pub fn nameless_builtin(&self, class: Object) -> Option<String> {
        // SAFETY: called with the GIL held and a live class.
        unsafe {
            let py = Python::assume_attached();
            let names = self.engine.bind(py).getattr("NAMELESS").ok()?;
            let class = Bound::from_borrowed_ptr(py, class).cast_into::<PyType>().ok()?;
            crate::metaclass::find(names.cast().ok()?, &class).ok()??.extract().ok()
        }
    }

    /// Whether a class is the one of plain modules.
    pub(crate) fn is_plain_module(&self, class: *mut ffi::PyTypeObject) -> bool {
        class == &raw mut ffi::PyModule_Type || self.is_answering_main(class)
    }

    pub(crate) fn is_answering_main(&self, class: *mut ffi::PyTypeObject) -> bool {
        class.cast() == self.answering_main.as_ptr()
    }

    pub(crate) fn add_unchanging(&self, class: Py<PyAny>) {
        self.unchanging.borrow_mut().push(class);
    }

    /// Whether objects of exactly this class travel as what never changes.
    pub(crate) fn is_unchanging(&self, class: Object) -> bool {
        self.unchanging.borrow().iter().any(|known| known.as_ptr() == class)
    }

    /// Whether a class is that of locks, reentrant locks or conditions.
    pub(crate) fn is_lock_class(&self, class: Object) -> bool {
        self.locks.iter().any(|known| known.as_ptr() == class)
    }

    /// Whether `kind` is threading.Thread or below it.
    pub fn is_thread(&self, kind: *mut ffi::PyTypeObject) -> bool {
        // SAFETY: live classes.
        unsafe { ffi::PyType_IsSubtype(kind, self.thread.as_ptr().cast()) != 0 }
    }

    /// Whether `kind` is a class of numpy's arrays.
    pub fn is_array(&self, kind: *mut ffi::PyTypeObject) -> bool {
        let mut class = kind;
        while !class.is_null() && !self.is_ndarray(class) {
            // SAFETY: E5: the chain of bases is live down to NULL.
            class = unsafe { (*class).tp_base };
        }
        !class.is_null()
    }

    /// Whether `kind` is numpy.ndarray itself. numpy is not imported for the question.
    #[inline]
    pub fn is_ndarray(&self, kind: *mut ffi::PyTypeObject) -> bool {
        let known = self.ndarray.get();
        if known != 0 {
            return known == kind as usize;
        }
        // SAFETY: a live type's name.
        let name = unsafe { std::ffi::CStr::from_ptr((*kind).tp_name) };
        if name != c"numpy.ndarray" {
            return false;
        }
        self.ndarray.set(kind as usize);
        true
    }

    /// The text form of a dtype of plain elements, cached by the dtype object.
    pub fn plain_type(&self, descr: &Bound<'_, PyAny>) -> PyResult<Option<Rc<PlainType>>> {
        let key = descr.as_ptr() as usize;
        if let Some((_, plain)) = self.descrs.borrow().get(&key) {
            return Ok(plain.clone());
        }
        let plain = plain_type(descr)?.map(Rc::new);
        let mut cache = self.descrs.borrow_mut();
        if cache.len() < 256 {
            cache.insert(key, (descr.clone().unbind(), plain.clone()));
        }
        Ok(plain)
    }

    /// A dtype from its text ('<f8'), cached, or a dtype object as it is.
    pub fn dtype<'py>(
        &self,
        py: Python<'py>,
        dtype: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>, Failure> {
        let make = || py.import("numpy")?.getattr("dtype")?.call1((dtype,));
        let Ok(text) = dtype.cast::<PyString>() else {
            let class = py.import("numpy")?.getattr("dtype")?;
            if dtype.is_instance(&class)? {
                return Ok(dtype.clone());
            }
            return Err(Failure::corrupt("an array's element type is no dtype"));
        };
        let text = text.to_str()?;
        if let Some(found) = self.dtypes.borrow().get(text) {
            return Ok(found.bind(py).clone());
        }
        let made =
            make().map_err(|e| Failure::corrupt(format!("an array's element type is unknown: {e}")))?;
        let mut cache = self.dtypes.borrow_mut();
        if cache.len() < 256 {
            cache.insert(text.to_owned(), made.clone().unbind());
        }
        Ok(made)
    }

    /// The interned text of these ASCII bytes: interning anew costs more than finding it here.
    pub fn interned_text(&self, py: Python<'_>, bytes: &[u8]) -> Option<Object> {
        if bytes.len() > 32 {
            return None;
        }
        let place = xxhash_rust::xxh3::xxh3_64(bytes) as usize % TEXTS;
        let mut texts = self.texts.borrow_mut();
        if let Some((known, text)) = &texts[place] {
            if **known == *bytes {
                return Some(text.clone_ref(py).into_ptr());
            }
        }
        let text = PyString::intern(py, std::str::from_utf8(bytes).ok()?).into_any();
        let old = texts[place].replace((bytes.into(), text.clone().unbind()));
        drop(texts);
        drop(old);
        Some(text.into_ptr())
    }

    /// The parts of a global's name, cached as text objects; `None` if it is not such a name.
    pub fn name_path(&self, py: Python<'_>, text: &[u8]) -> Option<Rc<NamePath>> {
        if let Some(path) = self.paths.borrow().get(text) {
            return Some(path.clone());
        }
        let (module, qualname) = std::str::from_utf8(text).ok()?.split_once(':')?;
        let path = Rc::new(NamePath {
            module: PyString::intern(py, module).unbind(),
            parts: qualname.split('.').map(|p| PyString::intern(py, p).unbind()).collect(),
        });
        let mut cache = self.paths.borrow_mut();
        if cache.len() < 4096 {
            cache.insert(text.into(), path.clone());
        }
        Some(path)
    }

    /// A code object met before with this hash and the very same record.
    pub fn known_code<'py>(&self, py: Python<'py>, hash: u128, record: &[u8]) -> Option<Bound<'py, PyAny>> {
        let cache = self.known_codes.borrow();
        let (bytes, code) = cache.get(&hash)?;
        (bytes == record).then(|| code.bind(py).clone())
    }

    pub fn learn_code(&self, _py: Python<'_>, hash: u128, record: &[u8], code: &Bound<'_, PyAny>) {
        let old = {
            let mut cache = self.known_codes.borrow_mut();
            if cache.len() >= 4096 {
                std::mem::take(&mut *cache)
            } else {
                HashMap::default()
            }
        };
        drop(old);
        self.known_codes.borrow_mut().insert(hash, (record.to_vec(), code.clone().unbind()));
    }

    /// Holds an object for ever.
    pub fn keep(&self, object: &Bound<'_, PyAny>) {
        self.kept.borrow_mut().push(object.clone().unbind());
    }

    /// Registers a wrapper's code: its frame is not part of a capture.
    pub fn add_entry(&self, py: Python<'_>, function: &Bound<'_, PyAny>) -> PyResult<()> {
        let code = function.getattr("__code__")?;
        self.entries.borrow_mut().insert(code.as_ptr() as usize);
        self.kept.borrow_mut().push(code.unbind());
        let _ = py;
        Ok(())
    }
}
