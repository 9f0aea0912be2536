//! The thread's data stack: where frames of running calls lie, outer first.
//!
//! CPython exports its own push only from 3.15 on; this one follows the same rules, with the same
//! allocator, so that the interpreter's pop finds what it expects. Check on every Python.

use super::{offset, InterpreterFrame};
use pyo3::ffi::{PyObject, PyObjectArenaAllocator, PyObject_GetArenaAllocator, PyThreadState};
use std::mem::MaybeUninit;

/// `_PyStackChunk`, Include/cpython/pystate.h.
#[repr(C)]
struct Chunk {
    previous: *mut Chunk,
    size: usize,
    top: usize,
    data: [*mut PyObject; 1],
}

/// `datastack_chunk`, `datastack_top`, `datastack_limit` of the thread state: neighbours in every version.
#[repr(C)]
struct DataStack {
    chunk: *mut Chunk,
    top: *mut *mut PyObject,
    limit: *mut *mut PyObject,
}

/// Smallest chunk, in bytes, and the room that a new one leaves beyond the frame it was made for.
const CHUNK_BYTES: usize = 16 * 1024;
const CHUNK_SPARE_WORDS: usize = 1000;

unsafe fn data_stack(thread: *mut PyThreadState) -> *mut DataStack {
    // SAFETY: invariant E1.
    unsafe { thread.byte_add(offset::THREAD_DATASTACK).cast() }
}

/// Reserves `words` pointers for a frame; NULL when memory is exhausted.
///
/// # Safety
/// Invariant E1; the frame must be popped by the interpreter in last-in-first-out order (E3).
pub unsafe fn push(thread: *mut PyThreadState, words: usize) -> *mut InterpreterFrame {
    // SAFETY: invariants E1 and E3: top and limit delimit the free part of the newest chunk.
    unsafe {
        let stack = data_stack(thread);
        if !(*stack).top.is_null() && words < (*stack).limit.offset_from((*stack).top) as usize {
            let frame = (*stack).top;
            (*stack).top = frame.add(words);
            return frame.cast();
        }
        let mut allocator = MaybeUninit::<PyObjectArenaAllocator>::uninit();
        PyObject_GetArenaAllocator(allocator.as_mut_ptr());
        let allocator = allocator.assume_init();
        let mut bytes = CHUNK_BYTES;
        while bytes < size_of::<*mut PyObject>() * (words + CHUNK_SPARE_WORDS) {
            bytes *= 2;
        }
        let Some(alloc) = allocator.alloc else { return std::ptr::null_mut() };
        let chunk: *mut Chunk = alloc(allocator.ctx, bytes).cast();
        if chunk.is_null() {
            return std::ptr::null_mut();
        }
        let previous = (*stack).chunk;
        (*chunk).previous = previous;
        (*chunk).size = bytes;
        (*chunk).top = 0;
        if !previous.is_null() {
            let data = (&raw mut (*previous).data).cast::<*mut PyObject>();
            (*previous).top = (*stack).top.offset_from(data) as usize;
        }
        (*stack).chunk = chunk;
        (*stack).limit = chunk.byte_add(bytes).cast();
        // The first word of the root chunk stays unused: a pop that reaches data[0] frees the chunk.
        let data = (&raw mut (*chunk).data).cast::<*mut PyObject>();
        let frame = data.add(usize::from(previous.is_null()));
        (*stack).top = frame.add(words);
        frame.cast()
    }
}

/// Gives back the newest frame before it ever ran: only for a build that failed half-way.
///
/// # Safety
/// `frame` is the newest frame that [`push`] returned, its references already released.
pub unsafe fn pop(thread: *mut PyThreadState, frame: *mut InterpreterFrame) {
    // SAFETY: invariant E3.
    unsafe {
        let stack = data_stack(thread);
        let chunk = (*stack).chunk;
        let data = (&raw mut (*chunk).data).cast::<*mut PyObject>();
        if frame.cast() == data && !(*chunk).previous.is_null() {
            let previous = (*chunk).previous;
            let bytes = (*chunk).size;
            (*stack).chunk = previous;
            let base = (&raw mut (*previous).data).cast::<*mut PyObject>();
            (*stack).top = base.add((*previous).top);
            (*stack).limit = previous.byte_add((*previous).size).cast();
            let mut allocator = MaybeUninit::<PyObjectArenaAllocator>::uninit();
            PyObject_GetArenaAllocator(allocator.as_mut_ptr());
            let allocator = allocator.assume_init();
            if let Some(free) = allocator.free {
                free(allocator.ctx, chunk.cast(), bytes);
            }
        } else {
            (*stack).top = frame.cast();
        }
    }
}
