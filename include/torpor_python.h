/*
 * torpor_python.h - capture, adopt and resume running Python functions, from C and C++
 *
 * For programs that embed CPython, and for extension modules written in C that ask for captures. Link
 * libtorpor-3.N for Python 3.N; it takes the Python symbols from the process and refuses any other
 * version. Read torpor.h first: what it says about processes, ownership, errors and versions holds here.
 *
 * A WHOLE EXAMPLE
 *
 * A C function that Python calls as checkpoint(). In the program that runs, it returns False; in the
 * program that is resumed from the snapshot, the call returns what torpor_resume was given:
 *
 *     #include <Python.h>
 *     #include "torpor_python.h"
 *
 *     static torpor_store *store;
 *
 *     static PyObject *checkpoint(PyObject *self, PyObject *none) {
 *         torpor_snapshot *snapshot;
 *         torpor_error error;
 *         int32_t status = torpor_capture(store, "work", NULL, &snapshot, &error);
 *         (void)self, (void)none;
 *         if (status == TORPOR_E_PYTHON) return NULL;
 *         if (status != TORPOR_OK) return PyErr_Format(PyExc_RuntimeError, "%s", error.message);
 *         torpor_snapshot_close(snapshot);
 *         Py_RETURN_FALSE;
 *     }
 *
 * And in another process, with the GIL held, the stack goes on where checkpoint() was called:
 *
 *     static PyObject *go_on(void) {
 *         torpor_snapshot *snapshot;
 *         torpor_continuation *work = NULL;
 *         torpor_error error;
 *         PyObject *result = NULL;
 *         int32_t status = torpor_snapshot_open(store, "work", 0, &snapshot, &error);
 *         if (status == TORPOR_OK) status = torpor_adopt(snapshot, NULL, &work, &error);
 *         if (status == TORPOR_OK) status = torpor_resume(work, Py_True, &result, &error);
 *         if (status != TORPOR_OK) fprintf(stderr, "%s\n", error.message);
 *         torpor_continuation_free(work);
 *         torpor_snapshot_close(snapshot);
 *         return result;
 *     }
 *
 * WHAT IS CAPTURED
 *
 * The stack of the Python function that called, outward to the nearest boundary: the callable of
 * torpor_run, the start of a resumed stack, a thread's function, the __main__ module, else the thread's
 * outermost Python function. torpor_capture does not return twice: the rest of the C function that called
 * it does not run in the adopter. That C function must be called by Python, and must call torpor_capture
 * itself; C code between two captured Python functions is a TORPOR_E_UNSUPPORTED_FRAME.
 *
 * CAPTURES THAT NOBODY WAITS FOR
 *
 * A program that does not ask by itself is asked with torpor_request, from a signal handler, a timer or another
 * thread. It is captured at its next line, and runs on. Here when the machine is about to go down:
 *
 *     static torpor_request_handle *request;
 *
 *     static void on_signal(int number) {
 *         (void)number;
 *         torpor_request(request);
 *     }
 *
 *     static int32_t save_when_told(void) {
 *         torpor_error error;
 *         int32_t status = torpor_request_prepare(store, "work", NULL, 0, &request, &error);
 *         if (status == TORPOR_OK) signal(SIGTERM, on_signal);
 *         return status;
 *     }
 *
 *     static void *in_a_thread_of_its_own(void *none) {
 *         torpor_snapshot *snapshot;
 *         torpor_error error;
 *         if (torpor_request_wait(request, -1, &snapshot, &error) != TORPOR_OK) return none;
 *         torpor_snapshot_close(snapshot);
 *         exit(0);
 *     }
 *
 * THREADS
 *
 * The caller of every function here holds the GIL, in the main interpreter; a continuation is used with
 * the GIL held only. In C code that does not hold it the functions return TORPOR_E_INVALID_ARGUMENT.
 * torpor_request and torpor_request_wait may be called with and without the GIL, by any number of threads.
 *
 * OWNERSHIP
 *
 * Objects that are passed are borrowed for the call. Objects that come back are new references.
 *
 * ERRORS
 *
 * A Python exception is left set if a function returns TORPOR_E_PYTHON, and with no other status.
 */

/* Written by include/generate; change the comments in capi/ and the .manual files instead. */

#ifndef TORPOR_PYTHON_H
#define TORPOR_PYTHON_H

#include "torpor.h"

/* The same declaration as in Python.h, which may be included before or after this header. */
typedef struct _object PyObject;

/* Locals that the code cannot read any more travel unless they cannot be captured. */
#define TORPOR_KEEP_DEAD_IF_POSSIBLE 0
/* Locals that the code cannot read any more travel always. */
#define TORPOR_KEEP_DEAD_ALWAYS 1
/* Locals that the code cannot read any more never travel. */
#define TORPOR_KEEP_DEAD_NEVER 2

/* A live stack, waiting to be resumed. To be used with the GIL held. */
typedef struct torpor_continuation torpor_continuation;

/* Captures that C asks for at any moment. */
typedef struct torpor_request_handle torpor_request_handle;

/* What to capture, and how. All zero but `size` is the defaults. The objects are borrowed for the call;
   they mean what the parameters of torpor.capture in Python mean. */
typedef struct torpor_capture_options {
    /* sizeof(torpor_capture_options). */
    size_t size;
    /* How many frames outward; 0: up to the nearest boundary. */
    uint64_t stack;
    /* A frame object of this thread's stack; NULL: the Python function that called. */
    PyObject *target;
    /* Names or indices of locals that stay behind, or a dict {frame index: names}. */
    PyObject *exclude;
    /* Whose module-level data travels: "main", "none", a list of modules. */
    PyObject *state;
    /* Modules whose functions, classes and data travel whole. */
    PyObject *by_value;
    /* A dict {name: object} of what stays behind for the adopter's own. */
    PyObject *externals;
    /* A dict {name: buffer} of what belongs to the checkpoint and to no frame. */
    PyObject *attach;
    /* A callable (object, path) that may return a replacement. */
    PyObject *on_uncapturable;
    /* TORPOR_KEEP_DEAD_IF_POSSIBLE, _ALWAYS or _NEVER. */
    int32_t keep_dead;
    /* 0. */
    int32_t reserved;
} torpor_capture_options;

/* How to adopt. All zero but `size` is the defaults. */
typedef struct torpor_adopt_options {
    /* sizeof(torpor_adopt_options). */
    size_t size;
    /* A dict {name: object} for what stayed behind at the capture. Borrowed for the call. */
    PyObject *externals;
    /* 0: arrays are private copy-on-write views, writing to them never changes the snapshot. 1: they are
       read-only views. */
    int32_t read_only;
    /* 0. */
    int32_t reserved;
} torpor_adopt_options;

#ifdef __cplusplus
extern "C" {
#endif

/* Calls a function as the outermost frame of captures below it: a capture inside takes the stack up to
   `callable` itself.

   callable: what to call. args: a tuple, or NULL. kwargs: a dict, or NULL.
   out: what it returned, a new reference; NULL on failure.
   Returns: TORPOR_E_PYTHON, with the exception set, if it raised. */
int32_t torpor_run(PyObject *callable,
                   PyObject *args,
                   PyObject *kwargs,
                   PyObject **out,
                   torpor_error *error);

/* Captures the stack of the Python function that called: its whole stack up to the boundary, with all
   that it reaches, into a store. To be called by a C function that Python calls, from that function
   itself.

   It returns once, here. In the adopter, the Python call of that C function returns what
   torpor_resume is given, and the rest of the C function does not run.

   store: where to. key: the name to publish it under, or NULL. options: NULL for the defaults.
   out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
   Returns: TORPOR_E_UNSUPPORTED_FRAME, _UNCAPTURABLE_VALUE, _CAPTURE (nothing was written),
   _STORE_FULL, _PYTHON.
   If the process dies here: the snapshot is there as a whole, or not at all. */
int32_t torpor_capture(const torpor_store *store,
                       const char *key,
                       const torpor_capture_options *options,
                       torpor_snapshot **out,
                       torpor_error *error);

/* Turns a snapshot into a live stack. Its arrays are not copied: they are views of the snapshot's
   memory and keep it, also after torpor_snapshot_close. Runs code that the snapshot brings, as
   unpickling does.

   snapshot: any number of processes may adopt one, any number of times. options: NULL for the defaults.
   out: to be freed with torpor_continuation_free; NULL on failure.
   Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH, _ADOPT, _PYTHON (code of the snapshot raised). */
int32_t torpor_adopt(const torpor_snapshot *snapshot,
                     const torpor_adopt_options *options,
                     torpor_continuation **out,
                     torpor_error *error);

/* Frees a continuation, resumed or not. Dropping one that was not resumed runs nothing of the program:
   no `finally`, no `__exit__`. The caller holds the GIL. NULL is allowed. */
void torpor_continuation_free(torpor_continuation *continuation);

/* How many suspended calls a continuation has; none after it was resumed. */
int32_t torpor_continuation_frame_count(const torpor_continuation *continuation,
                                        uint64_t *out,
                                        torpor_error *error);

/* A local of a suspended call.

   frame: its number; 0 is the innermost. name: the local's name.
   out: its value, a new reference; NULL on failure. Changing it changes what the resumed code sees.
   Returns: TORPOR_E_NOT_FOUND if it is unbound or there is no such frame, _PYTHON with a KeyError set if
   the code has no such local, _ALREADY_RESUMED. */
int32_t torpor_continuation_get_local(const torpor_continuation *continuation,
                                      uint64_t frame,
                                      const char *name,
                                      PyObject **out,
                                      torpor_error *error);

/* Sets a local of a suspended call, before it is resumed.

   frame: its number; 0 is the innermost. name: the local's name.
   value: borrowed; NULL unbinds the local.
   Returns: TORPOR_E_NOT_FOUND if there is no such frame, _PYTHON with a KeyError set if the code has no
   such local, _ALREADY_RESUMED. */
int32_t torpor_continuation_set_local(torpor_continuation *continuation,
                                      uint64_t frame,
                                      const char *name,
                                      PyObject *value,
                                      torpor_error *error);

/* Runs a continuation to its end: the captured call returns `value`. It can be done once; adopt the
   snapshot again for another run.

   value: borrowed; NULL is None.
   out: what the outermost frame returned, a new reference; NULL on failure.
   Returns: TORPOR_E_PYTHON, with the exception set, if the program raised; _ALREADY_RESUMED, _RESUME. */
int32_t torpor_resume(torpor_continuation *continuation,
                      PyObject *value,
                      PyObject **out,
                      torpor_error *error);

/* As torpor_resume, but the captured call raises.

   exception: an exception or its class; borrowed.
   out: what the outermost frame returned, a new reference; NULL on failure.
   Returns: TORPOR_E_PYTHON, with the exception set, if the program raised it on; _ALREADY_RESUMED,
   _RESUME. */
int32_t torpor_throw(torpor_continuation *continuation,
                     PyObject *exception,
                     PyObject **out,
                     torpor_error *error);

/* Makes ready for captures that are asked for by torpor_request. Starts a thread, which waits.

   store: where to. It may be closed before the handle is freed. key: the name to publish each snapshot under, or
   NULL.
   options: NULL for the defaults; kept until the handle is freed. target is NULL.
   thread: the Python ident of the thread to capture (threading.get_ident()); 0 is the main thread.
   out: to be freed with torpor_request_free, before Python is finalized; NULL on failure. */
int32_t torpor_request_prepare(const torpor_store *store,
                               const char *key,
                               const torpor_capture_options *options,
                               uint64_t thread,
                               torpor_request_handle **out,
                               torpor_error *error);

/* Asks for a capture: the thread is captured at its next line of Python where everything down to the boundary can be,
   and runs on. Nothing is slower while nobody asks. Asking while a request is open changes nothing.

   May be called from a signal handler, by any thread, with and without the GIL: it does not wait, and leaves errno as
   it is. In the child of a fork it does nothing.

   Returns: TORPOR_E_INVALID_ARGUMENT if request is NULL. */
int32_t torpor_request(const torpor_request_handle *request);

/* Waits for the snapshot of a request, whether it was asked for already or not. Each is given out once.

   Called with the GIL, it releases it meanwhile; the caller may also be without it. The thread that is to be captured
   cannot wait: it would have to run.

   timeout_ms: milliseconds; 0 only looks, a negative number waits for ever.
   out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
   Returns: TORPOR_E_TIMEOUT (the message says what stood in the way so far; the request stays open), _CAPTURE (the
   thread has ended), _STORE_FULL. */
int32_t torpor_request_wait(const torpor_request_handle *request,
                            int64_t timeout_ms,
                            torpor_snapshot **out,
                            torpor_error *error);

/* Gives an open request up, and frees the handle. The caller holds the GIL; no signal handler may ask any more. NULL
   is allowed. */
void torpor_request_free(torpor_request_handle *request);

#ifdef __cplusplus
}
#endif

#endif  /* TORPOR_PYTHON_H */
