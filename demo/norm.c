/* Prints the norm of an array that a captured Python function has as a local, in place, without Python.

   usage: norm STORE KEY FRAME NAME */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "torpor.h"

static double square_sum(const char *at, const torpor_array *array, uint64_t axis) {
    double sum = 0, value;
    if (axis == array->ndim) {
        memcpy(&value, at, sizeof value);
        return value * value;
    }
    for (int64_t i = 0; i < array->shape[axis]; i++) {
        sum += square_sum(at + i * array->strides[axis], array, axis + 1);
    }
    return sum;
}

int main(int argc, char **argv) {
    torpor_store_options options = {0};
    torpor_store *store = NULL;
    torpor_snapshot *snapshot = NULL;
    torpor_frame frame;
    torpor_value value;
    torpor_array array;
    torpor_error error;
    struct timespec begin, end;

    if (argc != 5) {
        fprintf(stderr, "usage: norm STORE KEY FRAME NAME\n");
        return 2;
    }
    options.size = sizeof options;
    options.attach_only = 1;
    uint64_t index = strtoull(argv[3], NULL, 10);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int32_t status = torpor_store_open(argv[1], &options, &store, &error);
    if (status == TORPOR_OK) status = torpor_snapshot_open(store, argv[2], 0, &snapshot, &error);
    if (status == TORPOR_OK) status = torpor_snapshot_frame_info(snapshot, index, &frame, sizeof frame, &error);
    if (status == TORPOR_OK) status = torpor_snapshot_local(snapshot, index, argv[4], &value, &error);
    if (status == TORPOR_OK) status = torpor_value_array(&value, &array, &error);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (status == TORPOR_OK && strcmp(array.format, "<d") != 0 && strcmp(array.format, "d") != 0) {
        fprintf(stderr, "norm: %s has elements of the type %s; norm reads doubles\n", argv[4], array.format);
        status = TORPOR_E_INVALID_ARGUMENT;
    } else if (status == TORPOR_OK) {
        double took = (double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) / 1e3;
        printf("   C, no Python: the local %s of %s(), line %d", argv[4], frame.function, (int)frame.lineno);
        printf(": %.1f MiB found in %.0f us\n", (double)(array.size * array.itemsize) / (1 << 20), took);
        printf("   |%s| = %.17g\n", argv[4], sqrt(square_sum(array.data, &array, 0)));
    } else {
        fprintf(stderr, "norm: %s: %s\n", torpor_status_name(status), error.message);
    }
    torpor_snapshot_close(snapshot);
    torpor_store_close(store);
    return status != TORPOR_OK;
}
