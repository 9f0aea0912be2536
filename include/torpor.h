/*
 * torpor.h - snapshots of running Python functions, read from C without Python
 *
 * A store is a named area of shared memory that the processes of one user on one host share. In it lie
 * snapshots: each is the whole stack of a running Python function, with everything that the stack
 * reaches, written there by a capture and never changed afterwards. This header opens stores and
 * snapshots and reads the values in them in place: an array of a gigabyte is a pointer, not a copy.
 * Capturing and resuming, which need Python, are in torpor_python.h.
 *
 * A WHOLE EXAMPLE
 *
 * A Python program captured itself under the key "demo"; its innermost function has a local "u", an array
 * of doubles. This prints the array's first element:
 *
 *     #include <stdio.h>
 *     #include "torpor.h"
 *
 *     int main(void) {
 *         torpor_store *store;
 *         torpor_snapshot *snapshot = NULL;
 *         torpor_value u;
 *         torpor_array array;
 *         torpor_error error;
 *         int32_t status = torpor_store_open("default", NULL, &store, &error);
 *         if (status == TORPOR_OK) status = torpor_snapshot_open(store, "demo", 0, &snapshot, &error);
 *         if (status == TORPOR_OK) status = torpor_snapshot_local(snapshot, 0, "u", &u, &error);
 *         if (status == TORPOR_OK) status = torpor_value_array(&u, &array, &error);
 *         if (status == TORPOR_OK) printf("%g\n", *(const double *)array.data);
 *         else fprintf(stderr, "%s: %s\n", torpor_status_name(status), error.message);
 *         torpor_snapshot_close(snapshot);
 *         torpor_store_close(store);
 *         return status != TORPOR_OK;
 *     }
 *
 *     cc example.c -ltorpor_store
 *
 * A process links one library: libtorpor_store, which has this header and needs no Python, or
 * libtorpor-3.N, which has this one and torpor_python.h, if it embeds Python 3.N.
 *
 * PROCESSES
 *
 * There is no server. Any process may be killed at any time, in the middle of any function: what it left
 * half done is cleaned up by the others, a snapshot is there as a whole or not at all, and what the dead
 * process held is free again. A child made by fork() keeps what its parent had open, as a process of its
 * own; it closes its own copies. Opening a store twice in one process is allowed; the handles are
 * closed separately. Nothing here may be called between vfork() and exec().
 *
 * THREADS
 *
 * A torpor_store and a torpor_snapshot may be used by any number of threads at the same time; closing one
 * is the last use of it by any thread. A torpor_iterator, a torpor_value and a torpor_error belong to one
 * thread at a time. Nothing here may be called from a signal handler.
 *
 * OWNERSHIP
 *
 * A "const T *" parameter is used, and may be shared; a "T *" is used by nobody else meanwhile, or given
 * up for ever in a _close or _free function. What comes back through a "T **out" belongs to the caller,
 * who closes it; it is NULL if the function failed. Everything else that comes back is borrowed from its
 * snapshot (texts, bytes, arrays) and lives until torpor_snapshot_close. Closing a store does not close
 * its snapshots. What the caller passes is borrowed for the call. The memory of a snapshot is read-only:
 * writing to it ends the process.
 *
 * ERRORS
 *
 * A function that can fail returns an int32_t: TORPOR_OK, which is 0, or a TORPOR_E_ number. It fills the
 * caller's torpor_error, if there is one, with a full sentence that says what to do. NULL where something
 * must be is TORPOR_E_INVALID_ARGUMENT, in every build. Damaged snapshots are an error, never a crash,
 * whether they come from files, from the network or from shared memory; a process that scribbles over a
 * store while others use it is outside of that.
 *
 * VERSIONS
 *
 * Numbers are never given to anything else. Structs that may grow begin with their size, or are passed
 * with it: set all of an options struct to zero and its size to sizeof, and a program goes on working
 * with newer and older libraries. A snapshot of another format version is TORPOR_E_VERSION_MISMATCH.
 */

/* Written by include/generate; change the comments in capi/ and the .manual files instead. */

#ifndef TORPOR_H
#define TORPOR_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the message of a `torpor_error`, with the NUL. */
#define TORPOR_MESSAGE_SIZE 1016
/* Success. */
#define TORPOR_OK 0
/* An argument makes no sense: a NULL pointer, a text that is not UTF-8, a wrong size. */
#define TORPOR_E_INVALID_ARGUMENT 1
/* A Python exception; it is left set. Only torpor_python.h. */
#define TORPOR_E_PYTHON 2
/* There is no memory. */
#define TORPOR_E_NO_MEMORY 3
/* A defect of torpor itself; nothing was done, or it was done in part. */
#define TORPOR_E_PANIC 4
/* The operating system refused; error_number is its errno. */
#define TORPOR_E_IO 5
/* A wait was interrupted. */
#define TORPOR_E_INTERRUPTED 6
/* The time given to a wait is over. */
#define TORPOR_E_TIMEOUT 7
/* This interpreter or operating system cannot be served. */
#define TORPOR_E_UNSUPPORTED_PLATFORM 8
/* The snapshot has no such local, item or attachment. */
#define TORPOR_E_NOT_FOUND 9
/* The store cannot do it, for another reason than those below. */
#define TORPOR_E_STORE 100
/* There is no such store, or it was destroyed. */
#define TORPOR_E_STORE_NOT_FOUND 101
/* The store's capacity, or the file system, is used up. */
#define TORPOR_E_STORE_FULL 102
/* The store's own tables are damaged. */
#define TORPOR_E_STORE_CORRUPT 103
/* The store belongs to another user or to another version of torpor. */
#define TORPOR_E_STORE_FOREIGN 104
/* The capture cannot be made, for another reason than those below. */
#define TORPOR_E_CAPTURE 200
/* A frame cannot be captured; the message has its function and line. */
#define TORPOR_E_UNSUPPORTED_FRAME 201
/* Values cannot be captured; the message has the path of each. */
#define TORPOR_E_UNCAPTURABLE_VALUE 202
/* The snapshot cannot be adopted, for another reason than those below. */
#define TORPOR_E_ADOPT 300
/* There is no snapshot under the key or with the number. */
#define TORPOR_E_SNAPSHOT_NOT_FOUND 301
/* The snapshot, file or buffer is damaged or is none. */
#define TORPOR_E_CORRUPT_SNAPSHOT 302
/* Another version of Python, or of the format, made the snapshot. */
#define TORPOR_E_VERSION_MISMATCH 303
/* The continuation cannot be resumed, for another reason than those below. */
#define TORPOR_E_RESUME 400
/* The continuation was resumed already. */
#define TORPOR_E_ALREADY_RESUMED 401
/* A capture that finds no room fails with TORPOR_E_STORE_FULL. */
#define TORPOR_FULL_ERROR 0
/* A capture that finds no room waits until there is some, or full_timeout_ms are over. */
#define TORPOR_FULL_WAIT 1
/* A capture that finds no room drops the snapshot under its key, if nobody holds it. */
#define TORPOR_FULL_DROP 2
/* No value: what a torpor_value holds after a failure. */
#define TORPOR_KIND_INVALID 0
/* None. */
#define TORPOR_KIND_NONE 1
/* False or True: integer is 0 or 1. */
#define TORPOR_KIND_BOOL 2

/* An int: in integer, with data NULL; or, if it does not fit, as length bytes at data, two's complement,
   the lowest first. */
#define TORPOR_KIND_INT 3

/* A float, in real. */
#define TORPOR_KIND_FLOAT 4
/* A complex number, in real and imaginary. */
#define TORPOR_KIND_COMPLEX 5
/* A str: length bytes of UTF-8 at data, without a NUL. Lone surrogates are encoded like characters. */
#define TORPOR_KIND_TEXT 6
/* Bytes or a bytearray: length bytes at data. */
#define TORPOR_KIND_BYTES 7
/* A list or tuple of length items: torpor_value_at. */
#define TORPOR_KIND_SEQUENCE 8
/* A set or frozenset of length items, in no order: torpor_value_at. */
#define TORPOR_KIND_SET 9
/* A dict of length entries, in its order: torpor_value_entry. */
#define TORPOR_KIND_MAPPING 10
/* A numpy array: torpor_value_array. */
#define TORPOR_KIND_ARRAY 11

/* What only Python can rebuild; type_name says what it is. A range or slice has three items: start,
   stop and step. */
#define TORPOR_KIND_OPAQUE 12

/* A snapshot, held: its memory is not used again while this is open. Any number of threads may use one
   at the same time. */
typedef struct torpor_snapshot torpor_snapshot;

/* Snapshots of a store, one after the other. One thread at a time may use it. */
typedef struct torpor_iterator torpor_iterator;

/* A store, opened by this process. Any number of threads may use one at the same time. */
typedef struct torpor_store torpor_store;

/* How to open a store. All zero but `size` is the defaults: attach, or create if there is none. */
typedef struct torpor_store_options {
    /* sizeof(torpor_store_options). */
    size_t size;
    /* Where stores live; NULL: the environment variable TORPOR_DIR, else shared memory. */
    const char *dir;
    /* The most bytes that snapshots may take together; 0: the smaller of 4 GiB and half of what is
       free. Ignored when the store exists. */
    uint64_t capacity;
    /* 1: an error if there is no such store. 0: create it. */
    int32_t attach_only;
    /* TORPOR_FULL_ERROR, TORPOR_FULL_WAIT or TORPOR_FULL_DROP. Ignored when the store exists. */
    int32_t full;
    /* Milliseconds that TORPOR_FULL_WAIT waits before it fails with TORPOR_E_STORE_FULL; 0: for ever. Ignored when
       the store exists. */
    uint64_t full_timeout_ms;
} torpor_store_options;

/* What went wrong. The caller has the memory, on its stack for instance; every function that takes one
   also takes NULL. It is filled only when the function fails and left alone when it succeeds.

   One per thread: functions that share it overwrite it. */
typedef struct torpor_error {
    /* The number that the function returned. */
    int32_t status;
    /* The operating system's errno, 0 if it had no part in this. */
    int32_t error_number;
    /* One full sentence or more, in UTF-8, cut off where the space ends. Always ends with NUL. */
    char message[TORPOR_MESSAGE_SIZE];
} torpor_error;

/* A store as it is now. Other processes work on while it is counted. */
typedef struct torpor_stats {
    /* The limit in bytes. */
    uint64_t capacity;
    /* Bytes of snapshots and buffers, being written or published. */
    uint64_t used;
    /* Bytes kept warm for the next snapshots. */
    uint64_t cached;
    /* Bytes of the store's own tables. */
    uint64_t overhead;
    /* Published snapshots. */
    uint64_t snapshots;
    /* Keys that lead to a snapshot. */
    uint64_t keys;
    /* Attached processes; dead ones count until they are cleaned up. */
    uint64_t processes;
    /* Pairs of a process and a snapshot that it holds. */
    uint64_t pins;
    /* Replaced or removed snapshots that somebody still holds. */
    uint64_t retired;
    /* Memory that programs work in (arrays that live in the store), and such that was handed over to snapshots. */
    uint64_t buffers;
    /* Snapshots and buffers in any state. */
    uint64_t slots;
} torpor_stats;

/* What a clean-up brought back. */
typedef struct torpor_reclaimed {
    /* Dead processes. */
    uint64_t processes;
    /* Half-written and left-over snapshots. */
    uint64_t snapshots;
    /* Pins of dead processes. */
    uint64_t pins;
    /* Bytes of memory. */
    uint64_t bytes;
} torpor_reclaimed;

/* What a snapshot is. */
typedef struct torpor_info {
    /* Its number in the store, never used again; 0 for files and bytes. */
    uint64_t id;
    /* The key under which it was published or found, NULL without one. Lives until the snapshot is
       closed. */
    const char *key;
    /* Bytes of its region, arrays included. */
    uint64_t nbytes;
    /* When it was captured, in nanoseconds since 1970. */
    uint64_t created;
    /* The process that captured it. */
    uint32_t pid;
    /* PY_VERSION_HEX of the Python that captured it, 0 if none did. */
    uint32_t python;
    /* How many frames it has. */
    uint64_t frames;
} torpor_info;

/* An array in place. Everything lives until the snapshot is closed; nothing may be written. */
typedef struct torpor_array {
    /* The first element. */
    const void *data;
    /* Type of the elements, as PEP 3118 (Python's struct module) writes it: "<d" is a double. */
    const char *format;
    /* Elements along each of ndim axes. */
    const int64_t *shape;
    /* Bytes from one element to the next along each axis; may be negative or 0. */
    const int64_t *strides;
    /* How many axes. */
    uint64_t ndim;
    /* Bytes of an element. */
    uint64_t itemsize;
    /* How many elements: the product of shape. */
    uint64_t size;
    /* 1 if the program could not write to the array either. */
    int32_t read_only;
    /* 1 if the elements lie one after the other, the last axis running fastest. */
    int32_t contiguous;
} torpor_array;

/* A suspended call. All texts live until the snapshot is closed. */
typedef struct torpor_frame {
    /* The function's name. */
    const char *function;
    /* Its qualified name, as "Solver.step". */
    const char *qualname;
    /* The module that it belongs to; "" if the snapshot does not say. */
    const char *module;
    /* The file of its source. */
    const char *filename;
    /* The line where its source begins. */
    int32_t firstlineno;
    /* The line at which it is suspended. */
    int32_t lineno;
    /* Names of its bound locals; local_count of them. */
    const char *const *local_names;
    /* How many locals are bound. */
    uint64_t local_count;
} torpor_frame;

/* A value in a snapshot. It may be copied; it and what it points to live until the snapshot is closed. */
typedef struct torpor_value {
    /* A TORPOR_KIND_ number: which of the other fields mean something. */
    int32_t kind;
    /* Equal for values that are one object: a program that walks a graph keeps the nodes that it has
       seen, for a graph may contain itself. */
    uint32_t node;
    /* bool, int. */
    int64_t integer;
    /* float, complex. */
    double real;
    /* complex. */
    double imaginary;
    /* text, bytes, an int of more than 64 bits. */
    const uint8_t *data;
    /* Items, entries, or bytes at data. */
    uint64_t length;
    /* The type's name, as "list" or "datetime.date". Always there. */
    const char *type_name;
    /* The snapshot that it belongs to. */
    const torpor_snapshot *snapshot;
} torpor_value;

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library, as "0.1.0".

   Returns: text that is always there. */
const char *torpor_version(void);

/* The version of the format in which this library writes snapshots. It reads this one and older ones. */
uint32_t torpor_format_version(void);

/* The name of a status, as "TORPOR_E_STORE_FULL".

   status: what a function returned.
   Returns: text that is always there; "unknown status" for a number that this library never returns. */
const char *torpor_status_name(int32_t status);

/* Opens a store, or creates it.

   name: 1 to 255 bytes of UTF-8; NULL is "default", the one that Python uses if none is named.
   options: NULL for the defaults.
   out: the store, to be closed with torpor_store_close; NULL on failure.
   Returns: TORPOR_E_STORE_NOT_FOUND (attach_only), _STORE_FOREIGN, _STORE_CORRUPT, _IO,
   _INVALID_ARGUMENT.
   If the process dies here: a store half created is completed or cleaned up by the next opener. */
int32_t torpor_store_open(const char *name,
                          const torpor_store_options *options,
                          torpor_store **out,
                          torpor_error *error);

/* Closes a store. Snapshots that were opened from it stay valid. NULL is allowed. */
void torpor_store_close(torpor_store *store);

/* Ends a store for everybody: its name goes at once, its memory when the last process has let go of it.
   The handle must still be closed; its other functions return TORPOR_E_STORE_NOT_FOUND from now on. */
int32_t torpor_store_destroy(const torpor_store *store,
                             torpor_error *error);

/* Counts what is in a store.

   out: where to; out_size: sizeof(torpor_stats), so that the struct can grow. */
int32_t torpor_store_stats(const torpor_store *store,
                           torpor_stats *out,
                           size_t out_size,
                           torpor_error *error);

/* Brings back what dead processes left, and nothing else. Stores clean up by themselves when they are
   opened and when there is no room; nobody has to call this.

   out: what was brought back, or NULL; out_size: sizeof(torpor_reclaimed). */
int32_t torpor_store_gc(const torpor_store *store,
                        torpor_reclaimed *out,
                        size_t out_size,
                        torpor_error *error);

/* Waits until a key leads to a snapshot, or to a newer one than `after`.

   key: what to wait for. after: the id of a snapshot, or 0 for any.
   timeout_ms: milliseconds; 0 only looks, a negative number waits for ever.
   out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
   Returns: TORPOR_E_TIMEOUT, _STORE_NOT_FOUND (destroyed meanwhile), _INVALID_ARGUMENT.
   A program with Python in it should release the GIL around the call. */
int32_t torpor_store_wait(const torpor_store *store,
                          const char *key,
                          uint64_t after,
                          int64_t timeout_ms,
                          torpor_snapshot **out,
                          torpor_error *error);

/* Begins to go through all snapshots of a store, with a key or without, oldest first. What is published
   meanwhile is not part of it; until it is freed it holds what it has not given out yet.

   out: to be freed with torpor_iterator_free; NULL on failure. */
int32_t torpor_store_iterate(const torpor_store *store,
                             torpor_iterator **out,
                             torpor_error *error);

/* The next snapshot.

   out: the snapshot, to be closed with torpor_snapshot_close; NULL, with TORPOR_OK, after the last. */
int32_t torpor_iterator_next(torpor_iterator *iterator,
                             torpor_snapshot **out,
                             torpor_error *error);

/* Ends an iteration. NULL is allowed. */
void torpor_iterator_free(torpor_iterator *iterator);

/* Opens a snapshot by its key or by its number.

   key: the snapshot last published under it. NULL: go by id.
   id: the snapshot's number; must be 0 if there is a key.
   out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure. It may be open any number
   of times, in any number of processes.
   Returns: TORPOR_E_SNAPSHOT_NOT_FOUND, _STORE_NOT_FOUND (destroyed), _INVALID_ARGUMENT.
   If the process dies here: nothing is left, the system knows who holds what. */
int32_t torpor_snapshot_open(const torpor_store *store,
                             const char *key,
                             uint64_t id,
                             torpor_snapshot **out,
                             torpor_error *error);

/* Closes a snapshot. Everything that was borrowed from it is gone: values, arrays, texts. What Python
   adopted from it stays. NULL is allowed. */
void torpor_snapshot_close(torpor_snapshot *snapshot);

/* Removes a snapshot from its store; its key goes only if it still leads here. This handle stays valid
   and must still be closed; the memory is free when nobody holds the snapshot any more.

   Returns: TORPOR_E_SNAPSHOT_NOT_FOUND if it was removed already, _INVALID_ARGUMENT for a file or bytes. */
int32_t torpor_snapshot_remove(const torpor_snapshot *snapshot,
                               torpor_error *error);

/* Says what a snapshot is.

   out: where to; out_size: sizeof(torpor_info), so that the struct can grow.
   Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH (a format this library does not read). */
int32_t torpor_snapshot_info(const torpor_snapshot *snapshot,
                             torpor_info *out,
                             size_t out_size,
                             torpor_error *error);

/* Writes a snapshot to a file, with checksums over everything. The file appears under its name when it
   is complete and on the disk, replacing one that is there.

   Returns: TORPOR_E_IO.
   If the process dies here: the old file is there, or the new one. */
int32_t torpor_snapshot_save(const torpor_snapshot *snapshot,
                             const char *path,
                             torpor_error *error);

/* Opens a snapshot from a file. The file is mapped, not read: arrays stay in it, and it must not be
   written to while the snapshot is open.

   out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
   Returns: TORPOR_E_IO, _CORRUPT_SNAPSHOT, _VERSION_MISMATCH. */
int32_t torpor_snapshot_load(const char *path,
                             torpor_snapshot **out,
                             torpor_error *error);

/* The snapshot as one run of bytes that stands for itself: to be sent as it is, and to be opened with
   torpor_snapshot_from_bytes.

   out: the first byte, borrowed until the snapshot is closed; read-only.
   out_length: how many. */
int32_t torpor_snapshot_bytes(const torpor_snapshot *snapshot,
                              const void **out,
                              size_t *out_length,
                              torpor_error *error);

/* Opens a snapshot from bytes, which are copied and checked.

   data, length: what torpor_snapshot_bytes, bytes(snapshot) or torpor.dumps in Python gave.
   out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
   Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH. */
int32_t torpor_snapshot_from_bytes(const void *data,
                                   size_t length,
                                   torpor_snapshot **out,
                                   torpor_error *error);

/* A buffer that was attached to the capture: it belongs to the checkpoint and to no frame.

   name: what it was attached as. out: its memory and shape, borrowed until the snapshot is closed.
   Returns: TORPOR_E_NOT_FOUND. */
int32_t torpor_snapshot_attachment(const torpor_snapshot *snapshot,
                                   const char *name,
                                   torpor_array *out,
                                   torpor_error *error);

/* How many suspended calls a snapshot has.

   Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH. */
int32_t torpor_snapshot_frame_count(const torpor_snapshot *snapshot,
                                    uint64_t *out,
                                    torpor_error *error);

/* Describes a suspended call.

   frame: its number; 0 is the innermost.
   out: where to; out_size: sizeof(torpor_frame), so that the struct can grow.
   Returns: TORPOR_E_NOT_FOUND, _CORRUPT_SNAPSHOT, _VERSION_MISMATCH. */
int32_t torpor_snapshot_frame_info(const torpor_snapshot *snapshot,
                                   uint64_t frame,
                                   torpor_frame *out,
                                   size_t out_size,
                                   torpor_error *error);

/* Reads a local of a suspended call. Nothing of the snapshot is run.

   frame: its number; 0 is the innermost. name: the local's name.
   out: the value, borrowed until the snapshot is closed.
   Returns: TORPOR_E_NOT_FOUND if the frame has no such local or it is unbound, _CORRUPT_SNAPSHOT,
   _VERSION_MISMATCH. */
int32_t torpor_snapshot_local(const torpor_snapshot *snapshot,
                              uint64_t frame,
                              const char *name,
                              torpor_value *out,
                              torpor_error *error);

/* How many items, entries or bytes a value has: its field length, for programs that call C functions
   only. */
int32_t torpor_value_len(const torpor_value *value,
                         uint64_t *out,
                         torpor_error *error);

/* An item of a sequence or set, counted from 0.

   out: the item; it may be the value's own torpor_value.
   Returns: TORPOR_E_NOT_FOUND if there is no such item, or the value has none. */
int32_t torpor_value_at(const torpor_value *value,
                        uint64_t index,
                        torpor_value *out,
                        torpor_error *error);

/* An entry of a mapping, counted from 0.

   out_key, out_value: the entry.
   Returns: TORPOR_E_NOT_FOUND if there is no such entry, or the value has none. */
int32_t torpor_value_entry(const torpor_value *value,
                           uint64_t index,
                           torpor_value *out_key,
                           torpor_value *out_value,
                           torpor_error *error);

/* An array's memory and shape: nothing is copied.

   value: of the kind TORPOR_KIND_ARRAY. out: borrowed until the snapshot is closed.
   Returns: TORPOR_E_INVALID_ARGUMENT if the value is no array. */
int32_t torpor_value_array(const torpor_value *value,
                           torpor_array *out,
                           torpor_error *error);

#ifdef __cplusplus
}
#endif

#endif  /* TORPOR_H */
