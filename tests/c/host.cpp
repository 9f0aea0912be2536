// Promise: whatever way Python calls a C function that captures, the resumed call has the right value,
// or the capture is refused.
#include "host.hpp"

static torpor_store *store;
static int capturing;
static PyObject *answer, *attach;
static char key[200] = "?";

// What every function here does: captures and returns False, or returns what the resumed one would.
static PyObject *captured(torpor_error *error, int32_t status, torpor_snapshot *snapshot) {
    if (status == TORPOR_E_PYTHON) return nullptr;
    if (status != TORPOR_OK) {
        PyObject *text = PyUnicode_FromFormat("%s: %s", torpor_status_name(status), error->message);
        if (text != nullptr) PyErr_SetObject(PyExc_RuntimeError, text);
        Py_XDECREF(text);
        return nullptr;
    }
    torpor_snapshot_close(snapshot);
    Py_RETURN_FALSE;
}

#define CAPTURE()                                                                      \
    do {                                                                               \
        if (!capturing) return Py_NewRef(answer);                                      \
        torpor_snapshot *snapshot = nullptr;                                           \
        torpor_error error;                                                            \
        torpor_capture_options options = {};                                           \
        options.size = sizeof options;                                                 \
        options.attach = attach;                                                       \
        int32_t status = torpor_capture(store, key, &options, &snapshot, &error);      \
        return captured(&error, status, snapshot);                                     \
    } while (0)

extern "C" {

static PyObject *checkpoint(PyObject *, PyObject *) { CAPTURE(); }
static PyObject *one(PyObject *, PyObject *) { CAPTURE(); }
static PyObject *varied(PyObject *, PyObject *, PyObject *) { CAPTURE(); }
static PyObject *fast(PyObject *, PyObject *const *, Py_ssize_t) { CAPTURE(); }
static PyObject *keyed(PyObject *, PyObject *const *, Py_ssize_t, PyObject *) { CAPTURE(); }

// Calls a callable from C: what it captures must be refused.
static PyObject *call(PyObject *, PyObject *callable) {
    PyObject *result = PyObject_CallNoArgs(callable);
    return result;
}

static PyObject *run(PyObject *, PyObject *args) {
    PyObject *callable = PyTuple_GetItem(args, 0), *result = nullptr;
    PyObject *rest = PyTuple_GetSlice(args, 1, PyTuple_Size(args));
    torpor_error error;
    int32_t status = torpor_run(callable, rest, nullptr, &result, &error);
    Py_XDECREF(rest);
    if (status != TORPOR_OK && status != TORPOR_E_PYTHON) PyErr_SetString(PyExc_SystemError, error.message);
    return result;
}

// resume(key, value), resume(key, exception): adopts and runs to the end.
static PyObject *resume(PyObject *, PyObject *args) {
    const char *name;
    PyObject *value, *result = nullptr;
    if (!PyArg_ParseTuple(args, "sO", &name, &value)) return nullptr;
    torpor_snapshot *snapshot = nullptr;
    torpor_continuation *continuation = nullptr;
    torpor_error error;
    int32_t status = torpor_snapshot_open(store, name, 0, &snapshot, &error);
    if (status == TORPOR_OK) status = torpor_adopt(snapshot, nullptr, &continuation, &error);
    torpor_snapshot_close(snapshot);
    if (status == TORPOR_OK) {
        auto go = PyExceptionInstance_Check(value) ? torpor_throw : torpor_resume;
        status = go(continuation, value, &result, &error);
    }
    torpor_continuation_free(continuation);
    if (status != TORPOR_OK && status != TORPOR_E_PYTHON) PyErr_SetString(PyExc_SystemError, error.message);
    return result;
}

// mode(capturing, answer, key, attach=None)
static PyObject *mode(PyObject *, PyObject *args) {
    PyObject *value, *buffers = nullptr;
    const char *name;
    if (!PyArg_ParseTuple(args, "pOs|O", &capturing, &value, &name, &buffers)) return nullptr;
    Py_XINCREF(buffers);
    Py_XSETREF(attach, buffers);
    Py_XSETREF(answer, Py_NewRef(value));
    PyOS_snprintf(key, sizeof key, "%s", name);
    Py_RETURN_NONE;
}

static PyMethodDef thing_methods[] = {
    {"checkpoint", checkpoint, METH_NOARGS, nullptr},
    {"one", one, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

static PyType_Slot thing_slots[] = {{Py_tp_methods, thing_methods}, {0, nullptr}};
static PyType_Spec thing_spec = {"host.Thing", 0, 0, Py_TPFLAGS_DEFAULT, thing_slots};

static PyMethodDef methods[] = {
    {"checkpoint", checkpoint, METH_NOARGS, nullptr},
    {"one", one, METH_O, nullptr},
    {"varied", (PyCFunction)(void (*)(void))varied, METH_VARARGS | METH_KEYWORDS, nullptr},
    {"fast", (PyCFunction)(void (*)(void))fast, METH_FASTCALL, nullptr},
    {"keyed", (PyCFunction)(void (*)(void))keyed, METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"call", call, METH_O, nullptr},
    {"run", run, METH_VARARGS, nullptr},
    {"resume", resume, METH_VARARGS, nullptr},
    {"mode", mode, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "host", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

PyObject *host_init(void) {
    torpor_error error;
    if (torpor_store_open("host", nullptr, &store, &error) != TORPOR_OK) {
        return PyErr_Format(PyExc_RuntimeError, "%s", error.message);
    }
    PyObject *made = PyModule_Create(&module);
    PyObject *thing = PyType_FromSpec(&thing_spec);
    if (made != nullptr && thing != nullptr) PyModule_AddObjectRef(made, "Thing", thing);
    Py_XDECREF(thing);
    return made;
}

}  // extern "C"
