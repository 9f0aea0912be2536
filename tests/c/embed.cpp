// A program that embeds Python and runs a script: embed SCRIPT [ARGS...]. Two of them, one after the
// other, are a capture in one process and a resume in another.
#include <cstdio>

#include "host.hpp"

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    PyImport_AppendInittab("host", host_init);
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    PyStatus status = PyConfig_SetBytesArgv(&config, argc - 1, argv + 1);
    if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) Py_ExitStatusException(status);
    FILE *script = std::fopen(argv[1], "rb");
    if (script == nullptr) return 2;
    int failed = PyRun_SimpleFile(script, argv[1]) != 0;
    std::fclose(script);
    return Py_FinalizeEx() != 0 || failed;
}
