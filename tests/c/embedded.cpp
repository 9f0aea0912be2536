// Promise: the functions of torpor_python.h refuse what makes no sense, leave an exception set only with
// TORPOR_E_PYTHON, and let locals be seen and set before a stack is resumed.
#include <Python.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "check.h"
#include "torpor_python.h"

static torpor_store *store;
static torpor_error error;

static PyObject *checkpoint(PyObject *, PyObject *) {
    torpor_snapshot *snapshot;
    GOOD(torpor_capture(store, "embedded", nullptr, &snapshot, &error));
    torpor_snapshot_close(snapshot);
    return PyLong_FromLong(1);
}

// Refused, in every way that a call can be wrong.
static PyObject *wrong(PyObject *, PyObject *) {
    torpor_snapshot *snapshot;
    torpor_capture_options options;
    std::memset(&options, 0, sizeof options);
    options.size = 1;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_capture(store, "x", &options, &snapshot, &error));
    options.size = sizeof options;
    options.keep_dead = 7;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_capture(store, "x", &options, &snapshot, &error));
    options.keep_dead = 0;
    options.reserved = 1;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_capture(store, "x", &options, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_capture(nullptr, "x", nullptr, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_capture(store, "\xc3", nullptr, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_capture(store, "", nullptr, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_capture(store, "x", nullptr, nullptr, &error));
    options.reserved = 0;
    options.target = Py_None;
    int32_t status = torpor_capture(store, "x", &options, &snapshot, &error);
    CHECK(status == TORPOR_E_CAPTURE && snapshot == nullptr);
    CHECK(PyErr_Occurred() == nullptr);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"checkpoint", checkpoint, METH_NOARGS, nullptr},
    {"wrong", wrong, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "host", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
static PyObject *make_host(void) { return PyModule_Create(&module); }

static const char script[] = R"(
import host

def work(n, scale=2):
    held = [n]
    if n == 99:
        unbound = 1
    value = host.checkpoint()
    return n * scale + value, held

def fails(): raise LookupError('on purpose')
)";

static PyObject *call(const char *name, PyObject *args, PyObject *kwargs, int32_t wanted) {
    PyObject *callable = PyDict_GetItemString(PyModule_GetDict(PyImport_AddModule("__main__")), name);
    PyObject *result = nullptr;
    CHECK(torpor_run(callable, args, kwargs, &result, &error) == wanted);
    CHECK((PyErr_Occurred() != nullptr) == (wanted == TORPOR_E_PYTHON));
    CHECK((result != nullptr) == (wanted == TORPOR_OK));
    return result;
}

static torpor_continuation *adopt(void) {
    torpor_snapshot *snapshot;
    torpor_continuation *continuation;
    GOOD(torpor_snapshot_open(store, "embedded", 0, &snapshot, &error));
    GOOD(torpor_adopt(snapshot, nullptr, &continuation, &error));
    torpor_snapshot_close(snapshot);
    return continuation;
}

static void running(void) {
    PyObject *args = Py_BuildValue("(i)", 5), *kwargs = Py_BuildValue("{s:i}", "scale", 3), *result;
    Py_XDECREF(call("wrong_too", nullptr, nullptr, TORPOR_OK));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_run(nullptr, nullptr, nullptr, &result, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_run(Py_None, Py_None, nullptr, &result, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_run(Py_None, nullptr, Py_None, &result, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_run(Py_None, nullptr, nullptr, nullptr, &error));
    CHECK(call("fails", nullptr, nullptr, TORPOR_E_PYTHON) == nullptr);
    CHECK(PyErr_ExceptionMatches(PyExc_LookupError) && std::strstr(error.message, "on purpose") != nullptr);
    PyErr_Clear();
    result = call("work", args, kwargs, TORPOR_OK);
    CHECK(PyLong_AsLong(PyTuple_GetItem(result, 0)) == 16);
    Py_XDECREF(result);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
}

static void resuming(void) {
    PyObject *value = PyLong_FromLong(100), *ten = PyLong_FromLong(10), *got, *result;
    uint64_t count;
    torpor_continuation *c = adopt();
    GOOD(torpor_continuation_frame_count(c, &count, &error));
    CHECK(count == 1);
    GOOD(torpor_continuation_get_local(c, 0, "n", &got, &error));
    CHECK(PyLong_AsLong(got) == 5);
    Py_XDECREF(got);
    BAD(TORPOR_E_NOT_FOUND, torpor_continuation_get_local(c, 0, "unbound", &got, &error));
    BAD(TORPOR_E_NOT_FOUND, torpor_continuation_get_local(c, 1, "n", &got, &error));
    BAD(TORPOR_E_NOT_FOUND, torpor_continuation_set_local(c, 1, "n", ten, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_continuation_get_local(c, 0, nullptr, &got, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_continuation_get_local(c, 0, "n", nullptr, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_continuation_set_local(nullptr, 0, "n", ten, &error));
    CHECK(PyErr_Occurred() == nullptr);
    BAD(TORPOR_E_PYTHON, torpor_continuation_set_local(c, 0, "nobody", ten, &error));
    CHECK(PyErr_ExceptionMatches(PyExc_KeyError));
    PyErr_Clear();
    GOOD(torpor_continuation_set_local(c, 0, "n", ten, &error));
    GOOD(torpor_continuation_set_local(c, 0, "held", nullptr, &error));
    GOOD(torpor_continuation_set_local(c, 0, "held", ten, &error));
    GOOD(torpor_resume(c, value, &result, &error));
    CHECK(PyLong_AsLong(PyTuple_GetItem(result, 0)) == 130 && PyTuple_GetItem(result, 1) == ten);
    Py_XDECREF(result);
    BAD(TORPOR_E_ALREADY_RESUMED, torpor_resume(c, value, &result, &error));
    BAD(TORPOR_E_ALREADY_RESUMED, torpor_throw(c, PyExc_KeyError, &result, &error));
    BAD(TORPOR_E_ALREADY_RESUMED, torpor_continuation_get_local(c, 0, "n", &got, &error));
    BAD(TORPOR_E_ALREADY_RESUMED, torpor_continuation_set_local(c, 0, "n", ten, &error));
    CHECK(result == nullptr && PyErr_Occurred() == nullptr);
    torpor_continuation_free(c);

    c = adopt();
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_throw(c, nullptr, &result, &error));
    BAD(TORPOR_E_PYTHON, torpor_throw(c, ten, &result, &error)); // no exception: a TypeError
    CHECK(PyErr_ExceptionMatches(PyExc_TypeError));
    PyErr_Clear();
    BAD(TORPOR_E_PYTHON, torpor_throw(c, PyExc_KeyError, &result, &error));
    CHECK(PyErr_ExceptionMatches(PyExc_KeyError));
    PyErr_Clear();
    torpor_continuation_free(c);

    c = adopt();
    BAD(TORPOR_E_PYTHON, torpor_resume(c, nullptr, &result, &error)); // None is no number
    CHECK(PyErr_ExceptionMatches(PyExc_TypeError));
    PyErr_Clear();
    torpor_continuation_free(c);
    torpor_continuation_free(adopt()); // never resumed
    torpor_continuation_free(nullptr);
    Py_XDECREF(value);
    Py_XDECREF(ten);
}

static void damaged(void) {
    torpor_snapshot *snapshot, *other;
    torpor_continuation *c;
    torpor_adopt_options options;
    const void *bytes;
    size_t length;
    int adopted = 0;
    std::memset(&options, 0, sizeof options);
    options.size = sizeof options;
    GOOD(torpor_snapshot_open(store, "embedded", 0, &snapshot, &error));
    options.read_only = 3;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_adopt(snapshot, &options, &c, &error));
    options.read_only = 1;
    GOOD(torpor_adopt(snapshot, &options, &c, &error));
    torpor_continuation_free(c);
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_adopt(nullptr, nullptr, &c, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_adopt(snapshot, nullptr, nullptr, &error));
    GOOD(torpor_snapshot_bytes(snapshot, &bytes, &length, &error));
    unsigned char *copy = static_cast<unsigned char *>(std::malloc(length));
    for (size_t at = 0; at < length; at += 3) {
        std::memcpy(copy, bytes, length);
        copy[at] ^= static_cast<unsigned char>(1 + at % 255);
        if (torpor_snapshot_from_bytes(copy, length, &other, nullptr) != TORPOR_OK) continue;
        if (torpor_adopt(other, nullptr, &c, &error) == TORPOR_OK) {
            adopted++;
            torpor_continuation_free(c);
        }
        PyErr_Clear();
        torpor_snapshot_close(other);
    }
    std::free(copy);
    torpor_snapshot_close(snapshot);
    std::printf("embedded: %d damaged snapshots could be adopted, none crashed\n", adopted);
}

int main(void) {
    PyObject *result;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_run(nullptr, nullptr, nullptr, &result, &error)); // before Python
    CHECK(std::strstr(error.message, "Py_Initialize") != nullptr);
    GOOD(torpor_store_open("embedded", nullptr, &store, &error));
    PyImport_AppendInittab("host", make_host);
    Py_Initialize();
    CHECK(PyRun_SimpleString(script) == 0 && PyRun_SimpleString("def wrong_too(): return host.wrong()") == 0);
    running();
    resuming();
    damaged();
    PyThreadState *thread = PyEval_SaveThread();
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_run(nullptr, nullptr, nullptr, &result, &error)); // without the GIL
    CHECK(std::strstr(error.message, "GIL") != nullptr);
    std::thread other([] {
        PyGILState_STATE state = PyGILState_Ensure();
        torpor_continuation *c = adopt();
        PyObject *value = PyLong_FromLong(1), *got;
        GOOD(torpor_resume(c, value, &got, &error));
        CHECK(PyLong_AsLong(PyTuple_GetItem(got, 0)) == 16);
        Py_XDECREF(got);
        Py_XDECREF(value);
        torpor_continuation_free(c);
        PyGILState_Release(state);
    });
    other.join();
    PyEval_RestoreThread(thread);
    GOOD(torpor_store_destroy(store, &error));
    torpor_store_close(store);
    return Py_FinalizeEx() != 0;
}
