// Promise: torpor_request captures a running program, asked for by a signal handler, a thread without the GIL and one
// with it; the program runs on, and what was captured gives the same result.
#include <Python.h>

#include <cerrno>
#include <cstdarg>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/time.h>
#include <thread>

#include "check.h"
#include "torpor_python.h"

static torpor_store *store;
static torpor_request_handle *request;
static torpor_error error;

static const char script[] = R"(
import sys, threading

def inner(n, seen):
    i = 0
    while i < n:
        seen = (seen * 31 + i) % 1000003
        i += 1
    return seen

def work(n, until_told=False):
    total = 0
    for k in range(n):
        total = (total + inner(20, k)) % 1000003
    while until_told and not hasattr(sys, 'told'):  # of the process, so what is resumed sees it too
        inner(20, 1)
    return total

def tell(told):
    if told:
        sys.told = True
    else:
        del sys.told

def thread_running():
    global thread
    thread = threading.Thread(target=work, args=(50, True))
    thread.start()
    return thread.ident

def thread_ended():
    tell(True)
    thread.join()
)";

static PyObject *call(const char *name, const char *format, ...) {
    PyObject *callable = PyDict_GetItemString(PyModule_GetDict(PyImport_AddModule("__main__")), name);
    va_list list;
    va_start(list, format);
    PyObject *args = Py_VaBuildValue(format, list);
    va_end(list);
    PyObject *result = nullptr;
    GOOD(torpor_run(callable, args, nullptr, &result, &error));
    Py_XDECREF(args);
    return result;
}

static long number(PyObject *object) {
    long value = PyLong_AsLong(object);
    Py_XDECREF(object);
    return value;
}

static void tell(int told) {
    PyGILState_STATE state = PyGILState_Ensure();
    Py_XDECREF(call("tell", "(i)", told));
    PyGILState_Release(state);
}

// Resumed here, what was captured gives what the original gave.
static void resumes(torpor_snapshot *snapshot, long expected) {
    torpor_continuation *continuation;
    PyObject *result;
    GOOD(torpor_adopt(snapshot, nullptr, &continuation, &error));
    GOOD(torpor_resume(continuation, nullptr, &result, &error));
    CHECK(number(result) == expected);
    torpor_continuation_free(continuation);
    torpor_snapshot_close(snapshot);
}

static void on_signal(int) {
    errno = 77;
    CHECK(torpor_request(request) == TORPOR_OK && errno == 77);
}

static void wrong(void) {
    torpor_request_handle *none;
    torpor_snapshot *snapshot;
    torpor_capture_options options;
    std::memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.target = Py_None;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_request_prepare(store, "k", &options, 0, &none, &error));
    CHECK(none == nullptr && torpor_request(nullptr) == TORPOR_E_INVALID_ARGUMENT);
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_request_prepare(nullptr, "k", nullptr, 0, &none, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_request_wait(nullptr, 0, &snapshot, &error));
    BAD(TORPOR_E_TIMEOUT, torpor_request_wait(request, 0, &snapshot, &error));
    CHECK(snapshot == nullptr && std::strstr(error.message, "Nobody asked") != nullptr);
    torpor_request_free(nullptr);
}

int main() {
    GOOD(torpor_store_open("request", nullptr, &store, &error));
    Py_Initialize();
    CHECK(PyRun_SimpleString(script) == 0);
    GOOD(torpor_request_prepare(store, "k", nullptr, 0, &request, &error));
    wrong();
    const long expected = number(call("work", "(i)", 50));

    // A signal handler asks; a thread without the GIL waits.
    torpor_snapshot *snapshot = nullptr;
    for (int round = 0; round < 3; round++) {
        std::signal(SIGALRM, on_signal);
        std::thread waiting([&] {
            torpor_error own;
            CHECK(torpor_request_wait(request, -1, &snapshot, &own) == TORPOR_OK);
            tell(1);
        });
        itimerval soon = {{0, 0}, {0, 20000}};
        setitimer(ITIMER_REAL, &soon, nullptr);
        CHECK(number(call("work", "(ii)", 50, 1)) == expected);
        PyThreadState *thread = PyEval_SaveThread();
        waiting.join();
        PyEval_RestoreThread(thread);
        resumes(snapshot, expected);
        tell(0);
    }

    // The main thread asks for a capture of another one, and waits with the GIL.
    unsigned long ident = PyLong_AsUnsignedLong(call("thread_running", "()"));
    torpor_request_handle *of_thread;
    GOOD(torpor_request_prepare(store, "thread", nullptr, ident, &of_thread, &error));
    CHECK(torpor_request(of_thread) == TORPOR_OK && torpor_request(of_thread) == TORPOR_OK);
    GOOD(torpor_request_wait(of_thread, 60000, &snapshot, &error));
    Py_XDECREF(call("thread_ended", "()"));
    resumes(snapshot, expected);
    CHECK(torpor_request(of_thread) == TORPOR_OK);
    BAD(TORPOR_E_CAPTURE, torpor_request_wait(of_thread, 60000, &snapshot, &error));
    CHECK(std::strstr(error.message, "has ended") != nullptr);
    torpor_request_free(of_thread);

    // Given up while it is open: nothing is watched any more.
    CHECK(torpor_request(request) == TORPOR_OK);
    torpor_request_free(request);
    CHECK(number(call("work", "(i)", 50)) == expected && PyErr_Occurred() == nullptr);
    GOOD(torpor_store_destroy(store, &error));
    torpor_store_close(store);
    return Py_FinalizeEx() != 0;
}
