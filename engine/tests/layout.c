/* Prints what this Python's own headers say of the layouts that engine/src/frame/v3_*.rs declare. */
#define Py_BUILD_CORE_MODULE 1
#include <Python.h>
#include <stddef.h>
#include "internal/pycore_frame.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_interp.h"
#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interpframe.h"
#include "internal/pycore_stackref.h"
#include "internal/pycore_genobject.h"
typedef struct _PyGenObject GEN;
#else
typedef PyGenObject GEN;
#endif
#define SAY(name, value) printf("%s %zu\n", name, (size_t)(value))
typedef struct _PyInterpreterFrame IF;

#if PY_VERSION_HEX >= 0x030E0000
static unsigned text_state(struct _PyUnicodeObject_state state)
{
    return *(unsigned *)&state;
}
#endif

int main(void)
{
    SAY("frame.size", sizeof(IF));
    SAY("frame.f_globals", offsetof(IF, f_globals));
    SAY("frame.f_builtins", offsetof(IF, f_builtins));
    SAY("frame.f_locals", offsetof(IF, f_locals));
    SAY("frame.frame_obj", offsetof(IF, frame_obj));
    SAY("frame.previous", offsetof(IF, previous));
    SAY("frame.owner", offsetof(IF, owner));
    SAY("frame.localsplus", offsetof(IF, localsplus));
    SAY("frame.header_words", FRAME_SPECIALS_SIZE);
#if PY_VERSION_HEX >= 0x030E0000
    SAY("frame.stackpointer", offsetof(IF, stackpointer));
    SAY("stackref.null", PyStackRef_NULL.bits);
    SAY("stackref.number", PyStackRef_TagInt(1).bits);
    SAY("object.flags", offsetof(PyObject, ob_flags));
    SAY("text.state", offsetof(PyASCIIObject, state));
    SAY("text.plain", text_state((struct _PyUnicodeObject_state){.compact = 1, .ascii = 1}));
    SAY("text.interned", text_state((struct _PyUnicodeObject_state){.interned = 3}));
#else
    SAY("frame.stacktop", offsetof(IF, stacktop));
#endif
#if PY_VERSION_HEX >= 0x030D0000
    SAY("frame.code", offsetof(IF, f_executable));
    SAY("frame.instruction", offsetof(IF, instr_ptr));
    SAY("thread.eval_breaker", offsetof(PyThreadState, eval_breaker));
    SAY("thread.current_frame", offsetof(PyThreadState, current_frame));
#else
    SAY("frame.code", offsetof(IF, f_code));
    SAY("frame.instruction", offsetof(IF, prev_instr));
    SAY("thread.cframe", offsetof(PyThreadState, cframe));
    SAY("cframe.current_frame", offsetof(_PyCFrame, current_frame));
    SAY("cframe.previous", offsetof(_PyCFrame, previous));
#endif
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
    SAY("thread.interpreter", offsetof(PyThreadState, interp));
    SAY("interpreter.monitoring_version", offsetof(PyInterpreterState, monitoring_version));
#endif
#if PY_VERSION_HEX >= 0x030C0000
    SAY("frame.function", offsetof(IF, f_funcobj));
    SAY("code.instrumentation_version", offsetof(PyCodeObject, _co_instrumentation_version));
    SAY("code.monitoring", offsetof(PyCodeObject, _co_monitoring));
    SAY("frame.return_offset", offsetof(IF, return_offset));
    SAY("thread.recursion_remaining", offsetof(PyThreadState, py_recursion_remaining));
    SAY("code.framesize", offsetof(PyCodeObject, co_framesize));
#else
    SAY("frame.function", offsetof(IF, f_func));
    SAY("frame.is_entry", offsetof(IF, is_entry));
    SAY("thread.recursion_remaining", offsetof(PyThreadState, recursion_remaining));
#endif
    SAY("frame_object.f_back", offsetof(PyFrameObject, f_back));
    SAY("frame_object.f_frame", offsetof(PyFrameObject, f_frame));
    SAY("frame_object.data", offsetof(PyFrameObject, _f_frame_data));
    SAY("thread.thread_id", offsetof(PyThreadState, thread_id));
    SAY("thread.c_tracefunc", offsetof(PyThreadState, c_tracefunc));
    SAY("thread.c_traceobj", offsetof(PyThreadState, c_traceobj));
    SAY("thread.tracing", offsetof(PyThreadState, tracing));
    SAY("thread.exc_info", offsetof(PyThreadState, exc_info));
    SAY("thread.datastack_chunk", offsetof(PyThreadState, datastack_chunk));
    SAY("thread.datastack_top", offsetof(PyThreadState, datastack_top));
    SAY("thread.datastack_limit", offsetof(PyThreadState, datastack_limit));
    SAY("thread.context", offsetof(PyThreadState, context));
    SAY("chunk.data", offsetof(_PyStackChunk, data));
    SAY("code.firsttraceable", offsetof(PyCodeObject, _co_firsttraceable));
    SAY("code.nlocalsplus", offsetof(PyCodeObject, co_nlocalsplus));
    SAY("code.stacksize", offsetof(PyCodeObject, co_stacksize));
    SAY("code.adaptive", offsetof(PyCodeObject, co_code_adaptive));
    SAY("code.localsplusnames", offsetof(PyCodeObject, co_localsplusnames));
    SAY("code.localspluskinds", offsetof(PyCodeObject, co_localspluskinds));
    SAY("tuple.items", offsetof(PyTupleObject, ob_item));
    SAY("code.flags", offsetof(PyCodeObject, co_flags));
    SAY("generator.name", offsetof(GEN, gi_name));
    SAY("generator.qualname", offsetof(GEN, gi_qualname));
    SAY("generator.handled", offsetof(GEN, gi_exc_state));
    SAY("generator.closed", offsetof(PyAsyncGenObject, ag_closed));
    SAY("generator.iterated", offsetof(PyAsyncGenObject, ag_running_async));
    SAY("generator.state", offsetof(GEN, gi_frame_state));
    SAY("generator.frame", offsetof(GEN, gi_iframe));
    SAY("handled.size", sizeof(_PyErr_StackItem));
    SAY("handled.previous", offsetof(_PyErr_StackItem, previous_item));
    return 0;
}
