// The module `host` of the tests: C functions that Python calls and that ask for captures.
#pragma once
#include <Python.h>

#include "torpor_python.h"

extern "C" PyObject *host_init(void);
