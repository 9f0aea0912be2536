//! Values of a snapshot: a cursor into its graph.

use crate::arguments::{null, shared};
use crate::error::{guard, Error, Fault};
use crate::snapshot::SnapshotHandle;
use std::ffi::{c_char, CStr};
use torpor_store::{Kind, Node};

/// No value: what a torpor_value holds after a failure.
pub const TORPOR_KIND_INVALID: i32 = 0;
/// None.
pub const TORPOR_KIND_NONE: i32 = 1;
/// False or True: integer is 0 or 1.
pub const TORPOR_KIND_BOOL: i32 = 2;
/// An int: in integer, with data NULL; or, if it does not fit, as length bytes at data, two's complement,
/// the lowest first.
pub const TORPOR_KIND_INT: i32 = 3;
/// A float, in real.
pub const TORPOR_KIND_FLOAT: i32 = 4;
/// A complex number, in real and imaginary.
pub const TORPOR_KIND_COMPLEX: i32 = 5;
/// A str: length bytes of UTF-8 at data, without a NUL. Lone surrogates are encoded like characters.
pub const TORPOR_KIND_TEXT: i32 = 6;
/// Bytes or a bytearray: length bytes at data.
pub const TORPOR_KIND_BYTES: i32 = 7;
/// A list or tuple of length items: torpor_value_at.
pub const TORPOR_KIND_SEQUENCE: i32 = 8;
/// A set or frozenset of length items, in no order: torpor_value_at.
pub const TORPOR_KIND_SET: i32 = 9;
/// A dict of length entries, in its order: torpor_value_entry.
pub const TORPOR_KIND_MAPPING: i32 = 10;
/// A numpy array: torpor_value_array.
pub const TORPOR_KIND_ARRAY: i32 = 11;
/// What only Python can rebuild; type_name says what it is. A range or slice has three items: start,
/// stop and step.
pub const TORPOR_KIND_OPAQUE: i32 = 12;

/// A value in a snapshot. It may be copied; it and what it points to live until the snapshot is closed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Value {
    /// A TORPOR_KIND_ number: which of the other fields mean something.
    pub kind: i32,
    /// Equal for values that are one object: a program that walks a graph keeps the nodes that it has
    /// seen, for a graph may contain itself.
    pub node: u32,
    /// bool, int.
    pub integer: i64,
    /// float, complex.
    pub real: f64,
    /// complex.
    pub imaginary: f64,
    /// text, bytes, an int of more than 64 bits.
    pub data: *const u8,
    /// Items, entries, or bytes at data.
    pub length: u64,
    /// The type's name, as "list" or "datetime.date". Always there.
    pub type_name: *const c_char,
    /// The snapshot that it belongs to.
    pub snapshot: *const SnapshotHandle,
}

impl Default for Value {
    fn default() -> Value {
        Value {
            kind: TORPOR_KIND_INVALID,
            node: 0,
            integer: 0,
            real: 0.0,
            imaginary: 0.0,
            data: std::ptr::null(),
            length: 0,
            type_name: c"".as_ptr(),
            snapshot: std::ptr::null(),
        }
    }
}

fn kind(node: &Node) -> (i32, Option<&'static CStr>) {
    match node.kind() {
        Kind::None => (TORPOR_KIND_NONE, Some(c"NoneType")),
        Kind::Bool => (TORPOR_KIND_BOOL, Some(c"bool")),
        Kind::Int => (TORPOR_KIND_INT, Some(c"int")),
        Kind::Float => (TORPOR_KIND_FLOAT, Some(c"float")),
        Kind::Complex => (TORPOR_KIND_COMPLEX, Some(c"complex")),
        Kind::Text => (TORPOR_KIND_TEXT, Some(c"str")),
        Kind::Bytes => (TORPOR_KIND_BYTES, Some(c"bytes")),
        Kind::ByteArray => (TORPOR_KIND_BYTES, Some(c"bytearray")),
        Kind::Tuple => (TORPOR_KIND_SEQUENCE, Some(c"tuple")),
        Kind::List => (TORPOR_KIND_SEQUENCE, Some(c"list")),
        Kind::Set => (TORPOR_KIND_SET, Some(c"set")),
        Kind::FrozenSet => (TORPOR_KIND_SET, Some(c"frozenset")),
        Kind::Dict => (TORPOR_KIND_MAPPING, Some(c"dict")),
        Kind::Array => (TORPOR_KIND_ARRAY, Some(c"numpy.ndarray")),
        Kind::Range => (TORPOR_KIND_OPAQUE, Some(c"range")),
        Kind::Slice => (TORPOR_KIND_OPAQUE, Some(c"slice")),
        _ => (TORPOR_KIND_OPAQUE, None),
    }
}

impl Value {
    /// What C sees of a node of the handle's graph.
    pub fn of(handle: &SnapshotHandle, node: &Node) -> Value {
        let (kind, name) = kind(node);
        let bytes = node.text_bytes().or_else(|| node.bytes()).or_else(|| node.big_int_bytes());
        let (real, imaginary) = node.as_complex().unwrap_or((node.as_f64().unwrap_or(0.0), 0.0));
        let type_name = match name {
            Some(name) => name.as_ptr(),
            None => handle.keep(node.type_name().as_deref().unwrap_or("object")),
        };
        Value {
            kind,
            node: node.id(),
            integer: node.as_i64().unwrap_or(0),
            real,
            imaginary,
            data: bytes.map_or(std::ptr::null(), <[u8]>::as_ptr),
            length: node.len() as u64,
            type_name,
            snapshot: std::ptr::from_ref(handle),
        }
    }
}

/// The handle and node behind a value.
///
/// # Safety
/// C1: the value came from this library, and its snapshot is open.
pub(crate) unsafe fn behind<'a>(value: *const Value) -> Result<(&'a SnapshotHandle, Node), Fault> {
    // SAFETY: C1.
    let (value, handle) = unsafe {
        let value = shared(value, "value")?;
        let handle = value.snapshot.as_ref();
        (value, handle.ok_or_else(|| Fault::argument("the value was not filled by torpor"))?)
    };
    let node = handle.graph()?.node_by_id(value.node);
    Ok((handle, node.ok_or_else(|| Fault::argument("the value does not belong to its snapshot"))?))
}

fn missing(node: &Node, index: u64, what: &str) -> Fault {
    Fault::not_found(format!("there is no {what} {index}; the value has {} of them", node.len()))
}

/// How many items, entries or bytes a value has: its field length, for programs that call C functions
/// only.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_value_len(value: *const Value, out: *mut u64, error: *mut Error) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            let out = out.as_mut().ok_or_else(|| null("out"))?;
            *out = 0;
            *out = behind(value)?.1.len() as u64;
            Ok(())
        })
    }
}

/// An item of a sequence or set, counted from 0.
///
/// out: the item; it may be the value's own torpor_value.
/// Returns: TORPOR_E_NOT_FOUND if there is no such item, or the value has none.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_value_at(
    value: *const Value,
    index: u64,
    out: *mut Value,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            let found = behind(value);
            if out.is_null() {
                return Err(null("out"));
            }
            out.write(Value::default());
            let (handle, node) = found?;
            let child = usize::try_from(index).ok().and_then(|i| node.child(i));
            out.write(Value::of(handle, &child.ok_or_else(|| missing(&node, index, "item"))?));
            Ok(())
        })
    }
}

/// An entry of a mapping, counted from 0.
///
/// out_key, out_value: the entry.
/// Returns: TORPOR_E_NOT_FOUND if there is no such entry, or the value has none.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_value_entry(
    value: *const Value,
    index: u64,
    out_key: *mut Value,
    out_value: *mut Value,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            let found = behind(value);
            if out_key.is_null() || out_value.is_null() {
                return Err(null(if out_key.is_null() { "out_key" } else { "out_value" }));
            }
            out_key.write(Value::default());
            out_value.write(Value::default());
            let (handle, node) = found?;
            let entry = usize::try_from(index).ok().and_then(|i| node.entry(i));
            let (key, item) = entry.ok_or_else(|| missing(&node, index, "entry"))?;
            out_key.write(Value::of(handle, &key));
            out_value.write(Value::of(handle, &item));
            Ok(())
        })
    }
}
