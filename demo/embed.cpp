// A C++ program that embeds Python. Its script asks for a capture by calling a C++ function; a second
// process of the same program, which never ran the script, adopts the stack and runs it to its end.
#include <Python.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "torpor_python.h"

static torpor_store *store;

static const char script[] = R"(
def step(i):
    return i * host.checkpoint() if i == 3 else i

def work(n):
    total = 0
    try:
        for i in range(n):
            total += step(i)
    finally:
        print(f"   process {os.getpid()}: total {total}", flush=True)
    return total
)";

static PyObject *raise(int32_t status, const torpor_error &error) {
    if (status != TORPOR_E_PYTHON) PyErr_Format(PyExc_RuntimeError, "%s", error.message);
    return nullptr;
}

// host.checkpoint(): captures the stack that called it; 1 here, what torpor_resume was given there.
static PyObject *checkpoint(PyObject *, PyObject *) {
    torpor_snapshot *snapshot;
    torpor_error error;
    int32_t status = torpor_capture(store, "embed", nullptr, &snapshot, &error);
    if (status != TORPOR_OK) return raise(status, error);
    torpor_snapshot_close(snapshot);
    return PyLong_FromLong(1);
}

static PyMethodDef methods[] = {{"checkpoint", checkpoint, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef host = {PyModuleDef_HEAD_INIT, "host", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

static PyObject *make_host(void) { return PyModule_Create(&host); }

// The process that captures: runs work(6) below a boundary.
static PyObject *capture(void) {
    PyObject *names = PyModule_GetDict(PyImport_AddModule("__main__"));
    if (PyRun_SimpleString("import os, host") != 0 || PyRun_SimpleString(script) != 0) return nullptr;
    PyObject *args = Py_BuildValue("(i)", 6), *result = nullptr;
    torpor_error error;
    int32_t status = torpor_run(PyDict_GetItemString(names, "work"), args, nullptr, &result, &error);
    Py_XDECREF(args);
    return status == TORPOR_OK ? result : raise(status, error);
}

// The process that resumes: checkpoint() returns 100 there.
static PyObject *resume(void) {
    torpor_snapshot *snapshot = nullptr;
    torpor_continuation *continuation = nullptr;
    torpor_error error;
    PyObject *result = nullptr, *value = PyLong_FromLong(100);
    int32_t status = torpor_snapshot_open(store, "embed", 0, &snapshot, &error);
    if (status == TORPOR_OK) status = torpor_adopt(snapshot, nullptr, &continuation, &error);
    if (status == TORPOR_OK) status = torpor_resume(continuation, value, &result, &error);
    if (status == TORPOR_OK) status = torpor_snapshot_remove(snapshot, &error);
    torpor_continuation_free(continuation);
    torpor_snapshot_close(snapshot);
    Py_XDECREF(value);
    return status == TORPOR_OK ? result : raise(status, error);
}

static int run(PyObject *(*job)(void)) {
    PyConfig config;
    PyImport_AppendInittab("host", make_host);
    PyConfig_InitIsolatedConfig(&config);
    PyStatus status = PyConfig_SetBytesString(&config, &config.home, PYTHON_HOME);
    if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) Py_ExitStatusException(status);
    torpor_error error;
    PyObject *result = nullptr;
    if (torpor_store_open(nullptr, nullptr, &store, &error) == TORPOR_OK) {
        result = job();
    } else {
        std::fprintf(stderr, "embed: %s\n", error.message);
    }
    if (result == nullptr && PyErr_Occurred()) PyErr_Print();
    int failed = result == nullptr;
    Py_XDECREF(result);
    torpor_store_close(store);
    return Py_FinalizeEx() != 0 || failed;
}

int main(int argc, char **argv) {
    if (argc == 2 && std::strcmp(argv[1], "--resume") == 0) return run(resume);
    if (int failed = run(capture)) return failed;
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", argv[0], "--resume", static_cast<char *>(nullptr));
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0) return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
