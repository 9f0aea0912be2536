//! Values: one object graph, written by `encode`, rebuilt by `decode`.
//!
//! The walker runs pickle's algorithm on native nodes: mutable containers are noted when they are
//! opened, immutable ones when they are complete, other objects once their callable and arguments
//! are; so identity, aliasing and cycles hold across all frames, without recursion.
//!
//! The order of the nodes is the contract between the two (and every other reader): the children of a
//! node are one contiguous run, reserved when the node is opened; on opening, all atoms of the run
//! first, then the others in order, depth first. A reader demands that a run begins where the last one
//! ended: that makes reading linear and a cycle of runs impossible.

pub mod array;
mod at_work;
mod atom;
pub mod build;
mod builtins;
mod changing;
mod class;
mod compare;
mod containers;
mod content;
pub mod decode;
mod dict_items;
pub(crate) mod direct;
mod early;
pub mod encode;
pub mod externals;
mod finalizers;
mod first;
mod frame;
mod function;
pub mod generator;
pub mod greenlet;
pub(crate) mod greenlet_stack;
mod half_made;
mod identity;
pub(crate) mod ids;
pub(crate) mod instance;
pub mod iterator;
mod kept;
pub(crate) mod keyed;
mod late;
pub mod leaf;
mod module_class;
mod module_locks;
mod name_set;
pub mod named;
pub mod names;
mod namespace;
pub mod object;
mod order;
pub(crate) mod origin;
pub(crate) mod owned;
pub mod path;
pub(crate) mod plain;
pub(crate) mod prefix;
pub mod protocol;
pub(crate) mod rebound;
mod renamed;
mod same;
pub mod settled;
pub mod space;
mod state;
pub(crate) mod submodules;
pub mod unfinished;
mod variable;
pub mod weak;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::collections::BTreeSet;

pub(crate) type Object = *mut ffi::PyObject;

/// Functions of torpor's own that reduce nodes may call, by number: never change one, only add.
pub const INTRINSICS: &[&str] = &[
    "make_class",
    "fill_class",
    "make_enum",
    "make_exception",
    "fill_exception",
    "make_traceback",
    "make_method",
    "getattr_static",
    "make_mappingproxy",
    "run",
    "class_namespace",
    "finish_call",
    "finish_init",
    "finish_new",
    "finish_truth",
    "finish_not",
    "finish_bool",
    "finish_len",
    "finish_len_truth",
    "finish_text",
    "finish_format",
    "finish_hash",
    "finish_int",
    "finish_iter",
    "finish_contains",
    "finish_operator",
    "finish_comparison",
    "finish_unequal",
    "finish_dummy",
    "finish_method",
    "finish_attribute",
    "finish_has",
    "finish_next",
    "finish_step",
    "finish_filter",
    "finish_enumerated",
    "finish_zipped",
    "finish_any",
    "finish_all",
    "finish_test",
    "finish_send",
    "finish_send_default",
    "finish_close",
    "finish_step_map",
    "finish_step_enumerate",
    "finish_step_zip",
    "finish_float",
    "finish_bytes",
    "finish_ascii",
    "finish_dir",
    "finish_index",
    "finish_none",
    "finish_default",
    "finish_cached",
    "finish_class",
    "finish_filter_generator",
    "finish_sentinel",
    "finish_item",
    "bind_static",
    "sentinel",
    "finished_greenlet",
    "make_step",
    "make_anext",
    "make_await",
    "finish_asend",
    "finish_athrow",
    "finish_await",
    "finish_iterable",
    "finish_created",
    "finish_prepare",
    "finish_bases",
    "finish_names",
    "finish_check_of_rest",
    "finish_hook",
    "finish_contains_generator",
    "finish_contains_iterable",
    "finish_contains_tuple",
    "finish_converted",
    "finish_slice",
    "finish_size",
    "finish_power",
    "finish_annotations",
    "home_greenlet",
    "target_greenlet",
    "make_greenlet",
    "fill_greenlet",
    "make_memoryview",
    "make_match",
    "make_weakref",
    "fill_weak_set",
    "fill_weak_keys",
    "fill_weak_values",
    "make_in_module",
    "make_lock",
    "make_rlock",
    "make_nan",
    "make_weak_proxy",
    "make_weak_method",
    "make_comparison_key",
    "standard_stream",
    "open_file",
    "open_buffered",
    "seek_file",
    "make_iterator",
    "fill_iterator",
    "finish_chain",
    "finish_chained",
    "finish_islice",
    "finish_starmap",
    "finish_mapped",
    "finish_takewhile",
    "finish_takewhile_item",
    "finish_dropwhile",
    "finish_dropwhile_item",
    "finish_filtered",
    "finish_filtered_item",
    "finish_accumulate",
    "finish_accumulate_item",
    "finish_group_key",
    "finish_group_item",
    "finish_pairwise",
    "finish_compress",
    "finish_cycle",
    "finish_tee",
    "finish_counted",
    "finish_zip",
    "finish_delegated",
    "make_cache",
    "fill_cache",
    "make_attached",
    "fill_attached",
    "make_ordered_iterator",
    "make_memory_iterator",
    "make_set_iterator",
    "make_deque_iterator",
    "make_namespace_iterator",
    "finish_lookup",
    "finish_set_display",
    "finish_dict_display",
    "finish_kept",
    "finish_zip_strict",
    "finish_mapped_strict",
    "finish_context",
    "make_context",
    "fill_context",
    "make_token",
    "fill_token",
    "make_variable",
    "imported_variable",
    "decimal_variable",
    "decimal_manager",
    "fill_decimal_manager",
    "open_text",
    "seek_text",
    "make_scanner",
    "fill_scanner",
    "make_fields",
    "fill_fields",
    "make_local",
    "make_numpy_errors",
    "finish_thrown",
    "finish_closed",
    "finish_exit",
    "finish_import",
    "finish_listed",
    "finish_import_from",
    "module_lock",
    "own_import",
    "finish_added",
    "make_lazy_import",
    "make_lazy_attribute",
    "finish_lazy",
    "shared_descriptor",
    "fill_path",
    "finish_task",
    "finish_asyncio",
    "make_future",
    "fill_future",
    "make_future_iterator",
    "make_wakeup",
    "make_task_step",
    "make_loop",
    "fill_loop",
    "make_selector",
    "fill_selector",
    "make_generator_hooks",
    "make_socket",
    "make_simple_queue",
    "fill_simple_queue",
    "make_thread",
    "fill_thread",
    "make_pool",
    "fill_pool",
    "make_connection",
    "fill_connection",
    "make_mmap",
    "make_temporary_directory",
    "fill_temporary_directory",
    "make_array_class",
    "make_closed_file",
    "class_proxy",
    "fill_finalizer",
    "make_finalizer",
    "make_subarray",
    "fill_subarray",
    "make_object_array",
    "fill_object_array",
    "make_memmap",
    "fill_memmap",
    "make_flat",
    "make_broadcast",
    "make_ufunc",
    "make_pickle_buffer",
    "make_csv_reader",
    "fill_csv_reader",
    "make_csv_writer",
    "make_csv_dialect",
    "make_unpacker",
    "make_hash",
    "constant_of",
    "make_weak_subclass",
    "fill_attributes",
    "running_key",
    "fill_keyed",
    "fill_running",
    "make_unfinished",
    "fill_unfinished",
    "finish_state",
    "make_classed_module",
    "fill_classed_module",
    "make_frame",
    "fill_frame",
    "frame_locals",
    "make_row",
    "make_json_scanner",
    "make_function_class",
    "fill_random",
    "class_member",
    "make_shared_lock",
    "attribute_at",
    "enum_member",
    "make_local_of",
    "fill_local",
    "type_parameter_of",
    "make_wrapper_below",
    "class_base",
    "make_pointer_class",
    "make_library",
    "library_function",
    "fill_library_function",
    "make_of_bytes",
    "fill_below",
    "make_multibyte",
    "fill_multibyte",
    "finish_super_method",
    "finish_printed",
    "finish_class_checked",
    "finish_class_matched",
    "finish_keys_matched",
    "finish_handled",
    "finish_handling",
    "finish_percent",
    "finish_str_format",
    "finish_concatenated",
    "finish_repeated",
    "finish_measured",
    "finish_begun",
    "finish_attributes",
    "finish_name",
    "finish_stored_name",
    "finish_starred",
    "finish_reduced",
    "finish_vars",
    "finish_defaulted",
    "own_socket_of",
    "finish_keys",
    "finish_merged",
    "finish_task_made",
    "finish_task_step",
];

/// The characters of a `str` object, as they are. Never `to_string()`: that asks the object for its text,
/// which first runs pending signal handlers and throws away what they raise.
pub(crate) fn text_of(object: &Bound<'_, PyAny>) -> String {
    object.cast::<PyString>().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What a capture was asked to do with values.
#[derive(Default)]
pub struct Policy {
    /// `__main__` travels by value.
    pub main: bool,
    /// Other modules that travel by value.
    pub modules: Vec<String>,
    /// Those of them whose import is under way.
    pub half_made: Vec<String>,
    /// Modules that travel by value to an adopter that has not imported them.
    pub state: BTreeSet<String>,
    /// What stays behind; most captures name nothing.
    pub externals: Option<Box<externals::Externals>>,
    /// Tells policies apart: equal for equal ones.
    pub id: u64,
}

impl Policy {
    /// The `id` of a capture that nothing was asked of.
    pub const PLAIN: u64 = 1;

    pub fn new(main: bool, modules: Vec<String>) -> Policy {
        let mut id = if main { Policy::PLAIN } else { 0 };
        for module in &modules {
            id = xxhash_rust::xxh3::xxh3_64_with_seed(module.as_bytes(), id.wrapping_add(2));
        }
        Policy { main, modules, id, ..Policy::default() }
    }

    /// The same, and these modules travel with their state.
    pub fn with_state(mut self, names: Vec<String>) -> Policy {
        if names.is_empty() {
            return self;
        }
        for name in &names {
            self.id = xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), self.id.wrapping_add(3));
        }
        self.state.extend(names.into_iter().filter(|name| !self.modules.contains(name)));
        self
    }

    /// The same, and modules travel whose import is under way.
    pub fn with_half_made(self, names: Vec<String>) -> Policy {
        if names.is_empty() {
            return self;
        }
        let mut modules = self.modules;
        modules.extend(names.iter().cloned());
        let state = self.state.into_iter().collect();
        let externals = self.externals;
        Policy { half_made: names, externals, ..Policy::new(self.main, modules).with_state(state) }
    }

    pub fn travels(&self, module: &str) -> bool {
        (self.main && module == "__main__")
            || self.modules.iter().any(|m| m == module)
            || !self.state.is_empty() && self.state.contains(module)
    }

    /// Whether the import system's own names of a module travel too.
    pub fn is_module_itself(&self, module: &str) -> bool {
        self.state.contains(module) || self.half_made.iter().any(|m| m == module)
    }
}

/// A strong reference that is given back on drop (the GIL is held wherever one is dropped).
pub(crate) struct Strong(pub(crate) Object);

impl Strong {
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(crate) unsafe fn borrowed(object: Object) -> Strong {
        // SAFETY: as the caller promises.
        unsafe { ffi::Py_INCREF(object) };
        Strong(object)
    }

    /// # Safety
    /// `object` is live or NULL; the GIL is held.
    pub(crate) unsafe fn shared(object: Object) -> Strong {
        // SAFETY: as the caller promises.
        unsafe { ffi::Py_XINCREF(object) };
        Strong(object)
    }

    pub(crate) fn release(self) -> Object {
        let object = self.0;
        std::mem::forget(self);
        object
    }
}

impl Drop for Strong {
    fn drop(&mut self) {
        // SAFETY: invariant E5: a Strong is only made and dropped with the GIL held.
        unsafe { ffi::Py_XDECREF(self.0) }
    }
}
