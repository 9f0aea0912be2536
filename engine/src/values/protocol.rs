//! Pickle's protocol as objects are asked for it: which of its methods a class has of its own.
//!
//! Its methods are looked up on the type, as special methods are: `__getattribute__` and `__getattr__` of the
//! program do not run because an object is looked at.

use super::encode::Encoder;
use super::{instance, Object};
use crate::error::{tried, Failure};
use crate::gained::CLASSES_KEPT;
use crate::runtime::Runtime;
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};
use torpor_store::value::flag;

extern "C" {
    fn _PyType_Lookup(class: *mut ffi::PyTypeObject, name: Object) -> Object;
}

/// What `class`, or the first of its bases that has it, has under `name`. Runs no code.
pub(super) fn on_type<'py>(
    class: &Bound<'py, PyType>,
    name: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyAny>> {
    // SAFETY: E5: a live class and a text; the result is borrowed from the class.
    unsafe { Bound::from_borrowed_ptr_or_opt(class.py(), _PyType_Lookup(class.as_type_ptr(), name.as_ptr())) }
}

/// The method of `object` that its type has under `name`.
pub(super) fn method<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    on_type(&object.get_type(), name).map(|found| bind(found, object)).transpose()
}

fn bind<'py>(found: Bound<'py, PyAny>, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: E5: live objects; a descriptor's tp_descr_get gives a new reference or an exception.
    unsafe {
        match (*ffi::Py_TYPE(found.as_ptr())).tp_descr_get {
            Some(get) => Bound::from_owned_ptr_or_err(
                object.py(),
                get(found.as_ptr(), object.as_ptr(), ffi::Py_TYPE(object.as_ptr()).cast()),
            ),
            None => Ok(found),
        }
    }
}

/// The nearest base of `class`, or itself, whose slot does not call a method of the program.
///
/// # Safety
/// `class` is live; the GIL is held.
pub(super) unsafe fn builtin_base(
    py: Python<'_>,
    runtime: &Runtime,
    class: *mut ffi::PyTypeObject,
    slot: impl Fn(*mut ffi::PyTypeObject) -> Option<usize>,
) -> *mut ffi::PyTypeObject {
    // What the slot is in a class whose methods are all Python's.
    let python = slot(runtime.hooks.bind(py).as_type_ptr());
    let mut base = class;
    // SAFETY: E5: the chain of bases is live down to NULL.
    unsafe {
        while slot(base) == python && !(*base).tp_base.is_null() {
            base = (*base).tp_base;
        }
    }
    base
}

/// Whether a class statement made a class, and not C code.
///
/// # Safety
/// A live class.
pub(super) unsafe fn is_made_by_statement(class: *mut ffi::PyTypeObject) -> bool {
    let made = ffi::Py_TPFLAGS_HEAPTYPE;
    // SAFETY: E5: as the caller promises.
    unsafe { (*class).tp_flags & (made | ffi::Py_TPFLAGS_IMMUTABLETYPE) == made }
}

/// Whether what a class has under a name is what object has there.
fn is_objects<'py>(name: &Bound<'py, PyString>, found: &Bound<'py, PyAny>) -> bool {
    on_type(&name.py().get_type::<PyAny>(), name).is_some_and(|own| own.is(found))
}

/// A class and the tag of its version, which changes with everything that the class or a base of it has; 0: it has none.
pub(crate) fn version_of(class: &Bound<'_, PyType>) -> (usize, u32) {
    // The interpreter gives a class a tag when it is first looked at.
    on_type(class, crate::text::intern!(class.py(), "__module__"));
    let class = class.as_type_ptr();
    // SAFETY: E5: a live class.
    (class as usize, unsafe { (*class).tp_version_tag })
}

/// Whose methods a class has by which its objects are taken apart.
#[derive(Clone, Copy)]
pub(crate) enum Library {
    Enumeration,
    Path,
    Counter,
    Set,
    NamedTuple,
    /// Those of a library's class, of which this one is a subclass.
    Below,
    Other,
}

/// How objects of a class are taken apart.
pub(super) enum Protocol<'py> {
    /// By a `__reduce_ex__` or `__reduce__` of its own, called with these arguments.
    Own(Bound<'py, PyAny>, Bound<'py, PyTuple>),
    /// By what object has.
    Default {
        /// `__getnewargs__` or `__getnewargs_ex__` are the program's.
        arguments: bool,
        /// `__getstate__` is object's.
        own_state: bool,
        /// Looking at its attributes or items may run code of the class.
        hooked: bool,
    },
    /// As collections.namedtuple makes it: by tuple's own `__new__`.
    NamedTuple,
    /// A member of an enumeration that travels: by the `__new__` below it.
    Member,
    /// A member of one that the adopter imports: by its value, or its name.
    ImportedMember,
    /// A path of pathlib's, with all that it has.
    Path,
    /// By its `__dict__` and slots, whatever its class has to say.
    Parts,
    /// By the `__reduce_ex__` or `__reduce__` of a library's class, whose call is not that of a class below it.
    Below(Bound<'py, PyAny>, Bound<'py, PyTuple>),
    /// Of a class below set that has set's `__reduce__`: its items come after it, as those of a set do.
    Set,
}

impl<'py> Protocol<'py> {
    pub(super) fn of(class: &Bound<'py, PyType>) -> PyResult<Self> {
        let py = class.py();
        let own = |name| on_type(class, name).filter(|found| !is_objects(name, found));
        if let Some(reduce_ex) = own(crate::text::intern!(py, "__reduce_ex__")) {
            return Ok(Protocol::Own(reduce_ex, PyTuple::new(py, [5])?));
        }
        if let Some(reduce) = own(crate::text::intern!(py, "__reduce__")) {
            return Ok(Protocol::Own(reduce, PyTuple::empty(py)));
        }
        Ok(Protocol::of_object(class))
    }

    /// As object has it, whatever `__reduce_ex__` or `__reduce__` the class has.
    fn of_object(class: &Bound<'py, PyType>) -> Self {
        let py = class.py();
        // SAFETY: E5: type tests; `class` is live, and so are its slots.
        unsafe {
            let programs = |name: &Bound<'py, PyString>| {
                on_type(class, name)
                    .is_some_and(|f| ffi::Py_TYPE(f.as_ptr()) != &raw mut ffi::PyMethodDescr_Type)
            };
            let arguments = programs(crate::text::intern!(py, "__getnewargs_ex__"))
                || programs(crate::text::intern!(py, "__getnewargs__"));
            let name = crate::text::intern!(py, "__getstate__");
            let own_state = on_type(class, name).is_none_or(|found| is_objects(name, &found));
            let kind = class.as_type_ptr();
            let getter = (*kind).tp_getattro.map(|f| f as usize);
            let mut hooked = getter != Some(ffi::PyObject_GenericGetAttr as *const () as usize);
            if ffi::PyType_FastSubclass(kind, ffi::Py_TPFLAGS_LIST_SUBCLASS) != 0 {
                let list = &raw mut ffi::PyList_Type;
                hooked |= (*kind).tp_iter.map(|f| f as usize) != (*list).tp_iter.map(|f| f as usize);
            } else if ffi::PyType_FastSubclass(kind, ffi::Py_TPFLAGS_DICT_SUBCLASS) != 0 {
                hooked |= programs(crate::text::intern!(py, "items"));
            }
            Protocol::Default { arguments, own_state, hooked }
        }
    }

    /// How an object is taken apart below all that its class says; None if it has parts that Python does not show.
    pub(super) fn below(runtime: &Runtime, object: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let class = object.get_type();
        if instance::is_whole(runtime, object)? {
            return Ok(Some(Protocol::Parts));
        }
        // SAFETY: E5: the chain of bases is live down to the one that no class statement made.
        let is_builtin = unsafe {
            let mut base = class.as_type_ptr();
            while (*base).tp_flags & (ffi::Py_TPFLAGS_HEAPTYPE | ffi::Py_TPFLAGS_IMMUTABLETYPE)
                == ffi::Py_TPFLAGS_HEAPTYPE
            {
                base = (*base).tp_base;
            }
            base == &raw mut ffi::PyList_Type || base == &raw mut ffi::PyDict_Type
        };
        Ok(match Protocol::of_object(&class) {
            Protocol::Default { hooked: false, .. } if is_builtin => {
                Some(Protocol::Default { arguments: false, own_state: true, hooked: false })
            }
            _ => None,
        })
    }

    pub(super) fn flags(&self) -> u8 {
        match self {
            Protocol::Own(..) | Protocol::ImportedMember => 0,
            Protocol::Path | Protocol::Below(..) => flag::PLAIN,
            Protocol::NamedTuple | Protocol::Member | Protocol::Set | Protocol::Parts => {
                flag::PLAIN | flag::OWN_STATE
            }
            Protocol::Default { arguments, own_state, .. } => {
                (if *arguments { 0 } else { flag::PLAIN }) | if *own_state { flag::OWN_STATE } else { 0 }
            }
        }
    }

    /// The answer of an object of that class.
    pub(super) fn reduce(
        &self,
        runtime: &Runtime,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = object.py();
        match self {
            Protocol::Own(found, arguments) => bind(found.clone(), object)?.call1(arguments),
            Protocol::Below(found, arguments) => {
                let parts = bind(found.clone(), object)?.call1(arguments)?;
                runtime.engine.bind(py).getattr("reduce_below")?.call1((object, parts))
            }
            Protocol::NamedTuple => match instance::reduce_named_tuple(runtime, object)? {
                Some(reduced) => Ok(reduced),
                None => runtime.engine.bind(py).getattr("reduce_named_tuple")?.call1((object,)),
            },
            Protocol::Set => runtime.engine.bind(py).getattr("reduce_set")?.call1((object,)),
            Protocol::Member => runtime.engine.bind(py).getattr("reduce_member")?.call1((object,)),
            Protocol::ImportedMember => {
                runtime.engine.bind(py).getattr("reduce_imported_member")?.call1((object,))
            }
            Protocol::Parts => runtime.engine.bind(py).getattr("reduce_by_parts")?.call1((object,)),
            Protocol::Path => {
                let slots = instance::slots(runtime, object)?;
                runtime.engine.bind(py).getattr("reduce_path")?.call1((object, slots))
            }
            Protocol::Default { arguments: false, own_state: true, hooked: false } => {
                match instance::reduce(runtime, object)? {
                    Some(reduced) => Ok(reduced),
                    None => runtime.engine.bind(py).getattr("reduce_hooked")?.call1((object,)),
                }
            }
            Protocol::Default { own_state: false, hooked: false, .. } => {
                object.call_method1(crate::text::intern!(py, "__reduce_ex__"), (5,))
            }
            Protocol::Default { own_state, .. } => {
                let reduced = runtime.engine.bind(py).getattr("reduce_hooked")?.call1((object,))?;
                if *own_state {
                    return with_kept_dict(object, reduced);
                }
                Ok(reduced)
            }
        }
    }
}

/// An instance's empty `__dict__` is not in the answer of object: it is put there if somebody else has it.
fn with_kept_dict<'py>(
    object: &Bound<'py, PyAny>,
    reduced: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let Ok(parts) = reduced.cast::<PyTuple>() else { return Ok(reduced) };
    if parts.len() < 3 {
        return Ok(reduced);
    }
    let state = parts.get_item(2)?;
    let slots = state.cast::<PyTuple>().ok().filter(|s| s.len() == 2);
    let missing = match slots {
        Some(pair) => pair.get_item(0)?.is_none(),
        None => state.is_none(),
    };
    // SAFETY: E5: a live object; one whose class has a place for a dict gives it.
    unsafe {
        if !missing || (*ffi::Py_TYPE(object.as_ptr())).tp_dictoffset == 0 {
            return Ok(reduced);
        }
        let py = object.py();
        let dict = ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut());
        let dict = Bound::from_owned_ptr_or_err(py, dict)?;
        if ffi::Py_REFCNT(dict.as_ptr()) <= 2 {
            return Ok(reduced); // the object and we
        }
        let state = match slots {
            Some(pair) => PyTuple::new(py, [dict, pair.get_item(1)?])?.into_any(),
            None => dict,
        };
        let mut all: Vec<_> = parts.iter().collect();
        all[2] = state;
        Ok(PyTuple::new(py, all)?.into_any())
    }
}

impl<'py> Encoder<'py> {
    /// How objects of `class` are taken apart: as `Protocol::of` says, but for what the standard library is known
    /// to do by methods of the class's own.
    pub(super) fn protocol(&self, class: &Bound<'py, PyType>) -> PyResult<Protocol<'py>> {
        let protocol = Protocol::of(class)?;
        let known = match &protocol {
            Protocol::Own(..) | Protocol::Default { arguments: true, own_state: true, .. } => {
                self.library_protocol(class, &protocol)?
            }
            _ => Library::Other,
        };
        Ok(match (known, protocol) {
            (Library::NamedTuple, _) => Protocol::NamedTuple,
            (Library::Enumeration, _) => {
                let named = |name| on_type(class, name).unwrap_or_else(|| self.py.None().into_bound(self.py));
                let module = named(crate::text::intern!(self.py, "__module__"));
                let qualname = crate::metaclass::own(class, crate::text::intern!(self.py, "__qualname__"))?;
                match self.name_of(class, &module, &qualname)? {
                    Some(_) => Protocol::ImportedMember,
                    None => Protocol::Member,
                }
            }
            (Library::Path, _) => Protocol::Path,
            (Library::Counter, _) => Protocol::Default { arguments: false, own_state: true, hooked: true },
            (Library::Set, _) => Protocol::Set,
            (Library::Below, Protocol::Own(found, arguments)) => Protocol::Below(found, arguments),
            (_, protocol) => protocol,
        })
    }

    /// Whose methods these are: asked once for each version of a class.
    fn library_protocol(&self, class: &Bound<'py, PyType>, protocol: &Protocol<'py>) -> PyResult<Library> {
        let version = version_of(class);
        if let Some(known) = self.runtime.library_protocols.borrow().get(&version) {
            return Ok(*known);
        }
        let py = self.py;
        let engine = self.runtime.engine.bind(py);
        let found = match protocol {
            Protocol::Own(found, _) => {
                let is = |question: &'static str| engine.getattr(question)?.call1((found,))?.is_truthy();
                let of_set =
                    on_type(&py.get_type::<pyo3::types::PySet>(), crate::text::intern!(py, "__reduce__"));
                if is("is_enumerations_own")? {
                    Library::Enumeration
                } else if is("is_paths_own")? {
                    Library::Path
                } else if is("is_counters_own")? {
                    Library::Counter
                } else if of_set.is_some_and(|of_set| of_set.is(found)) {
                    Library::Set
                // SAFETY: live.
                } else if unsafe { is_made_by_statement(class.as_type_ptr()) }
                    && engine.getattr("is_of_base")?.call1((class, found))?.is_truthy()?
                {
                    Library::Below
                } else {
                    Library::Other
                }
            }
            _ => {
                let plain = on_type(class, crate::text::intern!(py, "__getnewargs_ex__")).is_none();
                let found = on_type(class, crate::text::intern!(py, "__getnewargs__"));
                match plain && engine.getattr("is_named_tuple")?.call1((found,))?.is_truthy()? {
                    true => Library::NamedTuple,
                    false => Library::Other,
                }
            }
        };
        if version.1 != 0 {
            let mut known = self.runtime.library_protocols.borrow_mut();
            if known.len() >= CLASSES_KEPT {
                known.clear();
            }
            known.insert(version, found);
        }
        Ok(found)
    }

    /// Asks for another walk if the object that was just asked had something to write elsewhere.
    pub(super) fn note_flushed(&mut self) -> PyResult<()> {
        let flushed = self.runtime.engine.bind(self.py).getattr("FLUSHED")?;
        if flushed.is_truthy()?
            && self.runtime.engine.bind(self.py).getattr("take_flushed")?.call0()?.is_truthy()?
        {
            self.work.greenlets.again = true;
        }
        Ok(())
    }

    /// Whether an object says that it is rebuilt from a class that is being written and the name under which that has it.
    pub(super) fn is_looked_up_in_open_class(
        &self,
        object: &Bound<'py, PyAny>,
        parts: &Bound<'py, PyAny>,
    ) -> bool {
        let arguments = parts.cast::<PyTuple>().ok().and_then(|parts| parts.get_item(1).ok());
        let Some(arguments) = arguments.and_then(|a| a.cast_into::<PyTuple>().ok()) else { return false };
        let has_it = |class: &Bound<'py, PyAny>| {
            let class = class.cast::<PyType>().ok();
            let open = class.filter(|class| {
                let slot = self.known(class.as_ptr());
                slot.is_some_and(|slot| self.work.open.iter().any(|node| node.slot == slot))
            });
            open.is_some_and(|class| {
                let names = arguments.iter().filter_map(|name| name.cast_into::<PyString>().ok());
                names.filter_map(|name| on_type(class, &name)).any(|found| found.is(object))
            })
        };
        arguments.iter().any(|class| has_it(&class))
    }

    /// Refuses an object that raised when it was asked.
    pub(super) fn will_not(
        &mut self,
        kind: &Bound<'py, PyType>,
        slot: u32,
        error: PyErr,
    ) -> Result<(), Failure> {
        if !error.is_instance_of::<PyException>(self.py) {
            return Err(error.into());
        }
        let named = kind.fully_qualified_name().or_else(|_| kind.name()); // a class may have no module
        let name = named.map(|n| super::text_of(&n)).unwrap_or_default();
        let why = super::text_of(error.value(self.py).str()?.as_any());
        self.refuse(slot, format!("a {name} cannot be captured: {why}"));
        Ok(())
    }

    /// "module:name" for an object that reduces to a name, as pickle finds it.
    pub(super) fn module_of_global(
        &self,
        object: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Option<String>> {
        if let Some(module) = tried(self.py, object.getattr(crate::text::intern!(self.py, "__module__")))? {
            if let Some(full) = self.name_of(object, &module, name.as_any())? {
                return Ok(Some(full));
            }
        }
        let found = self.runtime.engine.bind(self.py).getattr("module_of")?.call1((object, name))?;
        let found: Option<String> = found.extract()?;
        Ok(found.filter(|full| !self.policy.travels(full.split(':').next().unwrap_or_default())))
    }

    /// How a function is found that a decorated one has replaced under its name.
    ///
    /// # Safety
    /// `f` is live; the GIL is held.
    pub(super) unsafe fn behind(&self, f: *mut ffi::PyFunctionObject) -> PyResult<Option<Bound<'py, PyAny>>> {
        // SAFETY: fields of a live function; a module may be missing.
        unsafe {
            let Some(module) = Bound::from_borrowed_ptr_or_opt(self.py, (*f).func_module) else {
                return Ok(None);
            };
            let function = Bound::from_borrowed_ptr(self.py, f.cast());
            self.wrapped(&function, &module, &Bound::from_borrowed_ptr(self.py, (*f).func_qualname))
        }
    }

    fn wrapped(
        &self,
        function: &Bound<'py, PyAny>,
        module: &Bound<'py, PyAny>,
        qualname: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (Ok(name), Ok(qualname)) = (module.cast::<PyString>(), qualname.cast::<PyString>()) else {
            return Ok(None);
        };
        let (name, qualname) = (name.to_string_lossy(), qualname.to_string_lossy());
        if qualname.contains('<') || self.policy.travels(&name) {
            return Ok(None);
        }
        let Some(mut found) = self.runtime.module_named(self.py, module) else { return Ok(None) };
        for part in qualname.split('.') {
            match found.getattr_opt(part)? {
                Some(attribute) => found = attribute,
                None => return Ok(None),
            }
        }
        let made = self.runtime.engine.bind(self.py).getattr("reduce_wrapped")?;
        let made = made.call1((function, found, module, &*qualname))?;
        Ok(Some(made).filter(|made| !made.is_none()))
    }
}
