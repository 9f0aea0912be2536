//! One suspended call as it lies in a region, and the record of its code.
//!
//! Step "frame" of the flow. Owns the layout of [`Frame`], [`CodeRef`] and the other index structs;
//! their meaning is drawn in `schema/FORMAT.md`.

/// No index.
pub const NONE: u32 = u32::MAX;
/// Values that stand before a frame's localsplus: its function and its mapping of locals.
pub const FRAME_HEAD: u32 = 2;

macro_rules! same_layout {
    ($($name:ident),*) => { $( const _: () = assert!(size_of::<$name>() == size_of::<torpor_schema::$name>()); )* };
}

/// A suspended call: `values[first .. first + 2 + nlocals + nstack]` are its function, its mapping of
/// locals (NULL for a function), the slots of its localsplus and its evaluation stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct Frame {
    pub code: u32,
    pub instr: u32,
    pub return_offset: u32,
    pub flags: u32,
    pub first: u32,
    pub nlocals: u32,
    pub nstack: u32,
    pub reserved: u32,
}

impl Frame {
    /// In `flags`, of the innermost frame only: it stands at its instruction, which is run from its start
    /// when the frame is resumed; nothing is pushed before.
    pub const AT_INSTRUCTION: u32 = 1;
    /// The frame belongs to a generator, coroutine or async generator, which stands where other frames
    /// have their mapping of locals.
    pub const GENERATOR: u32 = 2;
    /// A frame of torpor's own that finishes what C code had still to do: not shown.
    pub const HIDDEN: u32 = 4;
    /// With GENERATOR, and then of all frames: the stack is a suspended generator (the outermost frame) with those
    /// to which it delegates. No frame calls another one.
    pub const SUSPENDED: u32 = 8;
    /// Of the innermost frame: the stack is that of a suspended greenlet, whose switch is the captured call.
    pub const GREENLET: u32 = 16;
    pub const ALL_FLAGS: u32 = 31;
}

/// A code object: content hash, and where its record lies in `records`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct CodeRef {
    pub hash_low: u64,
    pub hash_high: u64,
    pub offset: u32,
    pub length: u32,
    /// xxh3-64 of the record.
    pub checksum: u64,
}

impl CodeRef {
    pub fn hash(&self) -> u128 {
        u128::from(self.hash_low) | u128::from(self.hash_high) << 64
    }
}

/// A module namespace that travels by value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct Space {
    pub name_offset: u32,
    pub name_length: u32,
    pub flags: u32,
    /// One more than the index of the namespace that is its `__builtins__`, a dict of the program; 0: the interpreter's.
    pub builtins: u32,
}

impl Space {
    /// In `flags`: its values are arrays that the host attached, which no value of the program refers to.
    pub const ATTACHMENTS: u32 = 1;
    /// The namespace is that of an imported module, and whole: the adopter's import system gets the module,
    /// unless it has one of that name.
    pub const STATE: u32 = 2;
    /// Its `__builtins__` are an empty dict of its own, as collections.namedtuple makes it.
    pub const NO_BUILTINS: u32 = 4;
    /// No module's: a plain dict, which has the items of its runs and no others; the first run has all its keys.
    pub const PLAIN: u32 = 8;
    /// `__builtins__` is none of its keys.
    pub const WITHOUT_BUILTINS: u32 = 16;
    /// No namespace: what modules that stay behind had under names that their functions assign and captured frames
    /// mention, as pairs of "module:name" and a hash of the content (0: nothing).
    pub const REBOUND: u32 = 32;
    /// No namespace: finalizers of objects that travel, as pairs of a number in words and the finalizer.
    pub const FINALIZERS: u32 = 64;
    /// No namespace, and without runs: a module of an imported package that code gets at through the package.
    pub const SUBMODULE: u32 = 128;
    /// A module whose import is under way in the stack.
    pub const HALF_MADE: u32 = 256;
    /// No namespace: the names of the one whose number, plus one, is in `builtins`, in their order, as pairs with None.
    pub const ORDER: u32 = 512;
}

/// `count` (name, value) pairs of a namespace, from `values[first]` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct Run {
    pub space: u32,
    pub first: u32,
    pub count: u32,
    pub reserved: u32,
}

/// Bytes outside of the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Extent {
    pub offset: u64,
    pub length: u64,
    pub checksum: u64,
    pub flags: u64,
}

impl Extent {
    /// `checksum` holds the xxh3-64 of the bytes.
    pub const CHECKED: u64 = 1;
}

/// An array or a view of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Array {
    pub offset: u64,
    pub nbytes: u64,
    pub extent: u32,
    pub shape: u32,
    pub ndim: u16,
    pub flags: u16,
    pub itemsize: u32,
    pub format_offset: u32,
    pub format_length: u32,
}

impl Array {
    pub const READ_ONLY: u16 = 1;
    /// Memory order of an array that owns its buffer is Fortran's.
    pub const FORTRAN: u16 = 2;
    /// Elements are not plain data (objects): readers without Python show it as opaque.
    pub const OPAQUE: u16 = 4;
    /// The array is a view: its first child is the owner of the memory.
    pub const VIEW: u16 = 8;
}

same_layout!(Frame, CodeRef, Space, Run, Extent, Array);
