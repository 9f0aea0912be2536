//! The nodes of a graph: 16 bytes each, in one flat vector (`FORMAT.md`, "Values").
//!
//! This module owns the vocabulary (tags, flags) and nothing else: who writes nodes is
//! [`capture`](crate::capture), who checks them is [`region`](crate::region).

/// What a node is. Tags up to [`tag::LAST_ATOM`] have no children.
pub mod tag {
    pub const NULL: u8 = 0; // an empty slot of a frame, an empty cell
    pub const NONE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const TRUE: u8 = 3;
    pub const ELLIPSIS: u8 = 4;
    pub const NOT_IMPLEMENTED: u8 = 5;
    pub const INT: u8 = 6; // data: i64
    pub const FLOAT: u8 = 7; // data: f64 bits
    pub const COMPLEX: u8 = 8; // 16 bytes at data
    pub const BIG_INT: u8 = 9; // two's complement, little-endian, len bytes at data
    pub const TEXT: u8 = 10; // UTF-8 (surrogates passed through), len bytes at data, then a NUL
    pub const BYTES: u8 = 11; // len bytes at data, then a NUL
    pub const BYTEARRAY: u8 = 12; // as BYTES, mutable
    pub const GLOBAL: u8 = 13; // "module:qualname", len bytes at data; HASHED: 16 bytes of hash before
    pub const MODULE: u8 = 14; // an imported module: its name, len bytes at data
    pub const MODULE_DICT: u8 = 15; // the dict of an imported module: its name
    pub const SPACE: u8 = 16; // the dict of spaces[data]
    pub const SPACE_MODULE: u8 = 17; // the module object of spaces[data]
    pub const CODE: u8 = 18; // the code object codes[data]; below FUNCTION, len: its origin, or 0
    pub const INTRINSIC: u8 = 19; // a function of torpor's own, by number
    pub const TAGGED_INT: u8 = 20; // an untyped integer on an evaluation stack (3.14 and later)
    pub const ALIAS: u8 = 21; // the atom with shared number data
    pub const LAST_ATOM: u8 = 31;

    pub const TUPLE: u8 = 32; // len children
    pub const LIST: u8 = 33;
    pub const DICT: u8 = 34; // 2 * len children: key, value, key, value...
    pub const SET: u8 = 35;
    pub const FROZENSET: u8 = 36;
    pub const RANGE: u8 = 37; // start, stop, step
    pub const SLICE: u8 = 38; // start, stop, step
    pub const CELL: u8 = 39; // contents, or NULL
    pub const ARRAY: u8 = 40; // base or NONE, dtype, index into arrays (INT)
    pub const FUNCTION: u8 = 41; // see FORMAT.md: 11 children
    pub const OBJECT: u8 = 42; // callable, arguments, state, list items, dict items, state setter
    pub const REF: u8 = 43; // the container with shared number data; no children
    pub const ITERATOR: u8 = 44; // 2 children: list or tuple, index; 3: start, stop, step of what is left of a range
    pub const GENERATOR: u8 = 45; // see FORMAT.md: 8 children, then its slots; `small` is its state
    pub const LAST: u8 = 45;
}

/// Flags of a node.
pub mod flag {
    /// TEXT: every byte is below 128.
    pub const ASCII: u8 = 1;
    /// TEXT: the source was interned.
    pub const INTERNED: u8 = 2;
    /// TUPLE, FROZENSET, OBJECT: a cycle came round through it; take the shared node instead.
    pub const RECURSIVE: u8 = 4;
    /// OBJECT: callable is `copyreg.__newobj__`.
    pub const NEW: u8 = 8;
    /// OBJECT: the dict items are a list of keys and values in turn, not of pairs.
    pub const IN_TURN: u8 = 16;
    /// TEXT, BYTES, BYTEARRAY: low 32 bits of data = index into extents; len = 0.
    pub const FAR: u8 = 16;
    /// GLOBAL: a code hash stands before the text.
    pub const HASHED: u8 = 32;
    /// GLOBAL, with HASHED: an object that is no function, and that a module has under the name. What stands before
    /// the text is a hash of its class's name and one of what it contains (0: it is not to be compared).
    pub const STATE: u8 = 64;
    /// OBJECT: what object.__reduce_ex__ gave, with nothing of the class's own. The methods of its nearest
    /// base that no class statement made rebuild it; without this flag those of its class do.
    pub const PLAIN: u8 = 1;
    /// OBJECT: the state is the instance's own `__dict__`, or the pair of that (or None) and its slots.
    pub const OWN_STATE: u8 = 2;
    /// FUNCTION, OBJECT, LIST, DICT, SET: a module that travels with its state has it under a name (or a member in an
    /// enumeration); an adopter that has the module takes what it has there. `small` of all but functions and classes: of a hash of its class's name.
    /// TEXT: an imported module has that very object under a name; "module:name" of `small` bytes stands behind the text's NUL.
    pub const NAMED: u8 = 128;
    /// NULL in a frame: the local was bound and was left out of the capture.
    pub const LEFT_OUT: u8 = 64;
    /// INT, the content of what a module has under a name: the stack brings that for an adopter that has None, or nothing, there.
    pub const BROUGHT: u8 = 1;
}

/// How many children a FUNCTION node has, in this order: globals, code, name, qualname, module, doc,
/// defaults, keyword defaults, closure, attributes, annotations (or the function that makes them).
pub const FUNCTION_CHILDREN: u32 = 11;
/// Children of a GENERATOR node before its slots: function, code, name, qualname, handled exception (or
/// NULL), mapping of locals (or NULL), place (INT: instruction | return offset << 32), running frame (INT)
/// or NONE.
pub const GENERATOR_HEAD: u32 = 8;
/// `small` of a GENERATOR node.
pub mod generator {
    pub const CREATED: u16 = 0;
    pub const SUSPENDED: u16 = 1;
    /// Suspended in `yield from` or `await`.
    pub const DELEGATING: u16 = 2;
    /// A frame of the captured stack.
    pub const RUNNING: u16 = 3;
    /// Exhausted or closed: it has no slots.
    pub const FINISHED: u16 = 4;
    pub const STATE: u16 = 15;
    /// Of a RUNNING one: in the four bits from here on its state once its frame is rebuilt, plus 1, if its frame is
    /// SUSPENDED; else 0.
    pub const AFTER_SHIFT: u16 = 8;
    /// Of an async generator: it is closed, it is being iterated.
    pub const CLOSED: u16 = 16;
    pub const ITERATED: u16 = 32;
}
/// callable, arguments, state, list items, dict items, state setter.
pub const OBJECT_CHILDREN: u32 = 6;
/// base array (or other owner of the memory, or NONE), dtype (TEXT or OBJECT), index into arrays (INT).
pub const ARRAY_CHILDREN: u32 = 3;

/// One node. Layout equals the schema's `struct Value` (checked below).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Value {
    pub tag: u8,
    pub flags: u8,
    pub small: u16,
    pub len: u32,
    pub data: u64,
}

const _: () = assert!(size_of::<Value>() == size_of::<torpor_schema::Value>());

impl Value {
    pub const NULL: Value = Value::atom(tag::NULL, 0);
    pub const NONE: Value = Value::atom(tag::NONE, 0);

    #[inline(always)]
    pub const fn atom(tag: u8, data: u64) -> Value {
        Value { tag, flags: 0, small: 0, len: 0, data }
    }

    #[inline(always)]
    pub const fn new(tag: u8, flags: u8, len: u32, data: u64) -> Value {
        Value { tag, flags, small: 0, len, data }
    }

    /// The number by which other nodes refer to this one; 0: none does. Not for INT, FLOAT, REF, ALIAS.
    #[inline(always)]
    pub const fn shared(&self) -> u32 {
        (self.data >> 32) as u32
    }

    /// First child, offset into `data`, or index: the low half of `data`.
    #[inline(always)]
    pub const fn low(&self) -> u32 {
        self.data as u32
    }

    #[inline(always)]
    pub const fn is_atom(&self) -> bool {
        self.tag <= tag::LAST_ATOM
    }

    /// How many children the node has in `values`, starting at [`low`](Self::low); `None` for a tag
    /// that does not exist or a fixed-size node with another length.
    #[inline]
    pub const fn children(&self) -> Option<u64> {
        match self.tag {
            tag::TUPLE | tag::LIST | tag::SET | tag::FROZENSET => Some(self.len as u64),
            tag::DICT => Some(self.len as u64 * 2),
            tag::RANGE | tag::SLICE => exactly(self.len, 3),
            tag::CELL => exactly(self.len, 1),
            tag::ARRAY => exactly(self.len, ARRAY_CHILDREN),
            tag::FUNCTION => exactly(self.len, FUNCTION_CHILDREN),
            tag::OBJECT => exactly(self.len, OBJECT_CHILDREN),
            tag::ITERATOR if self.len == 2 || self.len == 3 => Some(self.len as u64),
            tag::GENERATOR if self.len >= GENERATOR_HEAD => Some(self.len as u64),
            tag::REF => Some(0),
            t if t <= tag::LAST_ATOM => Some(0),
            _ => None,
        }
    }
}

const fn exactly(len: u32, n: u32) -> Option<u64> {
    if len == n {
        Some(n as u64)
    } else {
        None
    }
}
