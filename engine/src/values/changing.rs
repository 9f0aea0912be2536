//! Objects that can change, below what is settled (`settled.rs`): whether they are as they were is told by their words.
//!
//! Each is noted with the addresses of what it holds, after what holds it. So when the ones before are found as they were,
//! it lives, and its own words may be looked at; and if all have their words, and the texts and numbers among these are
//! held, a walk would come to the same.

use super::protocol::{is_made_by_statement, on_type, version_of, Library};
use super::Object;
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString, PyType};
use rustc_hash::FxBuildHasher;
use std::collections::HashSet;
use std::ffi::{c_int, c_void, CStr};
use std::ptr;

/// More words than this take as long to compare as to walk.
const MOST: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Changing {
    noted: Vec<Noted>,
    /// Of one after the other.
    words: Vec<usize>,
    seen: HashSet<usize, FxBuildHasher>,
}

struct Noted {
    object: usize,
    class: usize,
    form: Form,
    end: usize,
}

/// How the words of an object are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Dict,
    List,
    Tuple,
    /// By the type's own way through it.
    Set,
    /// A class that a statement made.
    Class,
    /// All of it, as it lies in memory: the objects and numbers that one of this class has.
    Whole,
    /// So, and its dict.
    Instance,
}

/// The form of what is of a class; `None` if it may have more than its words.
///
/// # Safety
/// A live class.
unsafe fn form_of(py: Python<'_>, runtime: &Runtime, class: *mut ffi::PyTypeObject) -> Option<Form> {
    let wholes = [
        &raw mut ffi::PyCell_Type,
        &raw mut ffi::PyProperty_Type,
        &raw mut ffi::PyStaticMethod_Type,
        &raw mut ffi::PyClassMethod_Type,
        &raw mut ffi::PyDictProxy_Type,
        &raw mut PyMethod_Type,
        &raw mut ffi::PyCFunction_Type,
        &raw mut ffi::PyRange_Type,
        &raw mut ffi::PySlice_Type,
        &raw mut ffi::PyFloat_Type,
    ];
    // SAFETY: E5: the name of a live class.
    let is_frozen = cfg!(Py_3_15) && unsafe { CStr::from_ptr((*class).tp_name) } == c"frozendict";
    if class == &raw mut ffi::PyDict_Type || is_frozen {
        Some(Form::Dict)
    } else if class == &raw mut ffi::PyList_Type {
        Some(Form::List)
    } else if class == &raw mut ffi::PyTuple_Type {
        Some(Form::Tuple)
    } else if class == &raw mut ffi::PySet_Type || class == &raw mut ffi::PyFrozenSet_Type {
        Some(Form::Set)
    // SAFETY: as the caller promises.
    } else if unsafe { is_of_classes(class) } {
        Some(Form::Class)
    } else if wholes.contains(&class) {
        Some(Form::Whole)
    } else {
        // SAFETY: as the caller promises.
        unsafe { form_in_c(class).or_else(|| form_of_objects(py, runtime, class)) }
    }
}

/// Whether a class is type, or a metaclass that adds nothing to what C code knows of its classes.
///
/// # Safety
/// A live class.
unsafe fn is_of_classes(class: *mut ffi::PyTypeObject) -> bool {
    let of_all = &raw mut ffi::PyType_Type;
    // SAFETY: E5: fields of live classes.
    unsafe { ffi::PyType_IsSubtype(class, of_all) != 0 && (*class).tp_basicsize == (*of_all).tp_basicsize }
}

/// The form of what is of a class of C code whose objects have a few words each: fields of named tuples, what annotations
/// are made of, type parameters.
///
/// # Safety
/// A live class.
unsafe fn form_in_c(class: *mut ffi::PyTypeObject) -> Option<Form> {
    // SAFETY: E5: fields of a live class.
    let (fields, name) = unsafe { (&*class, CStr::from_ptr((*class).tp_name).to_bytes()) };
    let is_known = name.ends_with(b"collections._tuplegetter")
        || matches!(name, b"types.GenericAlias" | b"types.UnionType" | b"typing.Union")
        || matches!(
            name,
            b"typing.TypeVar" | b"typing.ParamSpec" | b"typing.TypeVarTuple" | b"NoDefaultType"
        );
    // SAFETY: as the caller promises.
    if !is_known || fields.tp_itemsize != 0 || unsafe { is_made_by_statement(class) } {
        return None;
    }
    Some(if fields.tp_dictoffset == 0 { Form::Whole } else { Form::Instance })
}

/// Whether a class is one that the module typing has under its name: all of those are taken apart by what they have.
fn is_of_typing(runtime: &Runtime, class: &Bound<'_, PyType>) -> bool {
    let py = class.py();
    let typing = runtime.module_named(py, crate::text::intern!(py, "typing").as_any());
    let typing = typing.and_then(|typing| typing.cast_into::<PyModule>().ok());
    let found = typing.and_then(|typing| typing.dict().get_item(class.name().ok()?).ok()?);
    found.is_some_and(|found| found.is(class))
}

extern "C" {
    static mut PyMethod_Type: ffi::PyTypeObject;
}

/// How the objects of a class that a statement made are read, if they are taken apart as object does it: slots, and a dict
/// if they have one. `None` if they have more.
///
/// # Safety
/// A live class.
unsafe fn form_of_objects(py: Python<'_>, runtime: &Runtime, class: *mut ffi::PyTypeObject) -> Option<Form> {
    let mut base = class;
    // SAFETY: E5: the chain of bases is live down to object.
    unsafe {
        while base != &raw mut ffi::PyBaseObject_Type {
            if base.is_null() || !is_made_by_statement(base) {
                return None;
            }
            base = (*base).tp_base;
        }
    }
    // SAFETY: E5: fields of a live class.
    let (fields, any) = unsafe { (&*class, Bound::from_borrowed_ptr(py, class.cast())) };
    let (class, object) = (any.cast_into::<PyType>().ok()?, py.get_type::<PyAny>());
    let is_objects = |name: &&str| {
        let name = PyString::intern(py, name);
        let (own, objects) = (on_type(&class, &name), on_type(&object, &name));
        own.map(|found| found.as_ptr()) == objects.map(|found| found.as_ptr())
    };
    let methods = [
        "__reduce_ex__",
        "__reduce__",
        "__getstate__",
        "__getnewargs__",
        "__getnewargs_ex__",
        "__getattribute__",
        "__getattr__",
    ];
    // Members of enumerations are taken apart in the same way, whatever those say.
    let is_member =
        || matches!(runtime.library_protocols.borrow().get(&version_of(&class)), Some(Library::Enumeration));
    let own = methods.iter().filter(|name| !is_objects(name)).count();
    let is_known = || own == 1 && is_member() || is_of_typing(runtime, &class);
    if fields.tp_itemsize != 0 || own > 0 && !is_known() {
        return None;
    }
    match fields.tp_dictoffset {
        0 => Some(Form::Whole),
        _ => Some(Form::Instance),
    }
}

/// Gives `each` what an object has, word by word.
///
/// # Safety
/// It is live and has this form; `each` runs no code of the program.
unsafe fn read(object: Object, form: Form, mut each: impl FnMut(usize)) {
    // SAFETY: (whole body) E5, E27, as the caller promises: the fields, or all words, of a type that is known.
    unsafe {
        match form {
            Form::Dict => read_items(object, each),
            Form::List => {
                let (items, n) = ((*object.cast::<ffi::PyListObject>()).ob_item, ffi::Py_SIZE(object));
                (0..n as usize).for_each(|i| each(*items.add(i) as usize));
            }
            Form::Tuple => {
                (0..ffi::Py_SIZE(object)).for_each(|i| each(ffi::PyTuple_GET_ITEM(object, i) as usize));
            }
            Form::Set => visit(object, &mut each),
            Form::Class => {
                let class = &*object.cast::<ffi::PyHeapTypeObject>();
                let fields = &class.ht_type;
                each(fields.tp_version_tag as usize);
                [fields.tp_bases, class.ht_name, class.ht_qualname]
                    .into_iter()
                    .for_each(|part| each(part as usize));
                read_items(fields.tp_dict, each);
            }
            Form::Whole | Form::Instance => {
                let n = (*ffi::Py_TYPE(object)).tp_basicsize as usize / size_of::<usize>();
                (2..n).for_each(|i| each(*object.cast::<usize>().add(i)));
                if form == Form::Instance {
                    each(dict_of(object) as usize);
                }
            }
        }
    }
}

/// The dict of an instance; NULL if it has none yet, or that cannot be told.
///
/// # Safety
/// It is live, and its class has a place for a dict.
unsafe fn dict_of(object: Object) -> Object {
    // To ask for it may make it, and that may start the garbage collector of CPython 3.11, which runs the program's code.
    #[cfg(not(Py_3_12))]
    // SAFETY: E5, E28: the place that an object has for its dict, as the caller promises.
    return unsafe {
        const MANAGED_DICT: std::ffi::c_ulong = 1 << 4;
        let class = &*ffi::Py_TYPE(object);
        match class.tp_dictoffset {
            _ if class.tp_flags & MANAGED_DICT != 0 => *object.cast::<Object>().sub(3),
            at if at > 0 => *object.byte_add(at as usize).cast::<Object>(),
            _ => ptr::null_mut(),
        }
    };
    #[cfg(Py_3_12)]
    // SAFETY: E5: as the caller promises. What is given back, its object has.
    unsafe {
        let dict = ffi::PyObject_GenericGetDict(object, ptr::null_mut());
        match dict.is_null() {
            true => ffi::PyErr_Clear(),
            false => ffi::Py_DECREF(dict),
        }
        dict
    }
}

/// Gives `each` keys and values of a dict.
///
/// # Safety
/// It is live, a dict or frozendict; `each` runs no code of the program.
unsafe fn read_items(dict: Object, mut each: impl FnMut(usize)) {
    let (mut at, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
    // SAFETY: as the caller promises; no code runs meanwhile.
    while unsafe { ffi::PyDict_Next(dict, &raw mut at, &raw mut key, &raw mut value) } != 0 {
        each(key as usize);
        each(value as usize);
    }
}

/// Gives `each` the objects that the garbage collector would come to from one.
///
/// # Safety
/// It is live; `each` runs no code of the program.
unsafe fn visit<F: FnMut(usize)>(object: Object, each: &mut F) {
    extern "C" fn note<F: FnMut(usize)>(object: Object, each: *mut c_void) -> c_int {
        // SAFETY: it is what the call below was given.
        unsafe { (*each.cast::<F>())(object as usize) };
        0
    }
    // SAFETY: E5: the type's own way through a live object; it only calls what it is given.
    unsafe {
        if let Some(traverse) = (*ffi::Py_TYPE(object)).tp_traverse {
            traverse(object, note::<F>, ptr::from_mut(each).cast());
        }
    }
}

/// The objects to which an object leads, beside its class.
///
/// # Safety
/// It is live and has this form; `words` are what [`read`] gave.
unsafe fn objects_of(object: Object, form: Form, words: &[usize]) -> Vec<Object> {
    let mut found = Vec::new();
    match form {
        // SAFETY: as the caller promises.
        Form::Whole | Form::Instance => unsafe {
            visit(object, &mut |word| found.push(word));
            if form == Form::Instance {
                found.extend(words.last());
            }
        },
        Form::Class => found.extend(&words[1..]), // the first one is a number
        _ => found.extend(words),
    }
    // SAFETY: E5: live.
    let class = unsafe { ffi::Py_TYPE(object) } as usize;
    found.retain(|word| *word != 0 && (!matches!(form, Form::Whole | Form::Instance) || *word != class));
    found.into_iter().map(|word| word as Object).collect()
}

impl Changing {
    pub(super) fn has(&self, object: Object) -> bool {
        self.seen.contains(&(object as usize))
    }

    /// Notes an object, which lives while those noted before are as they are now, or for another reason. Returns what it
    /// leads to; nothing if it was noted before; `None` if it may change unnoticed.
    ///
    /// # Safety
    /// It is live; no code runs.
    pub(super) unsafe fn note(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        object: Object,
    ) -> Option<Vec<Object>> {
        // SAFETY: (whole body) E5, as the caller promises.
        unsafe {
            let class = ffi::Py_TYPE(object);
            let form = form_of(py, runtime, class)?;
            if !self.seen.insert(object as usize) {
                return Some(Vec::new());
            }
            if form == Form::Class {
                let fields = &*object.cast::<ffi::PyTypeObject>();
                if !is_made_by_statement(object.cast())
                    || fields.tp_dict.is_null()
                    || fields.tp_version_tag == 0
                {
                    return None;
                }
            }
            let start = self.words.len();
            read(object, form, |word| self.words.push(word));
            let is_without_dict = form == Form::Instance && self.words.last() == Some(&0);
            if is_without_dict || self.words.len() > MOST {
                return None;
            }
            let found = objects_of(object, form, &self.words[start..]);
            let end = self.words.len();
            self.noted.push(Noted { object: object as usize, class: class as usize, form, end });
            Some(found)
        }
    }

    /// Whether all have the words that they had.
    ///
    /// # Safety
    /// E27: what the first ones are, lives; classes with slots are as they were; the GIL is held; no code runs.
    pub(super) unsafe fn holds(&self) -> bool {
        let mut start = 0;
        for noted in &self.noted {
            let object = noted.object as Object;
            let (mut were, mut same) = (self.words[start..noted.end].iter(), true);
            // SAFETY: (whole body) E27: it lives, for what led to it is as it was.
            unsafe {
                if ffi::Py_TYPE(object) as usize != noted.class {
                    return false;
                }
                read(object, noted.form, |word| same &= were.next() == Some(&word));
            }
            if !same || were.next().is_some() {
                return false;
            }
            start = noted.end;
        }
        true
    }
}
