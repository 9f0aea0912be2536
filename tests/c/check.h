/* What the C tests share: a check that says where it failed. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/* A call that must succeed. `error` is in scope. */
#define GOOD(call)                                                                    \
    do {                                                                              \
        int32_t got_ = (call);                                                        \
        if (got_ != TORPOR_OK) {                                                      \
            fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call,         \
                    torpor_status_name(got_), error.message);                         \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/* A call that must fail with one status, and say so in `error`. */
#define BAD(wanted, call)                                                             \
    do {                                                                              \
        error.status = -1;                                                            \
        error.message[0] = 0;                                                         \
        int32_t got_ = (call);                                                        \
        if (got_ != (wanted) || error.status != (wanted) || error.message[0] == 0) {  \
            fprintf(stderr, "%s:%d: %s: %s, not %s: %s\n", __FILE__, __LINE__, #call, \
                    torpor_status_name(got_), torpor_status_name(wanted), error.message); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

#endif
