/* Prints every frame and local of a snapshot: dump STORE KEY. The text is that of dump.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torpor.h"

static uint32_t seen[100000];
static size_t seen_count;
static torpor_error error;

static void fail(void) {
    fprintf(stderr, "dump: %s\n", error.message);
    exit(1);
}

static void hex(FILE *out, const void *bytes, uint64_t length) {
    for (uint64_t i = 0; i < length; i++) fprintf(out, "%02x", ((const unsigned char *)bytes)[i]);
}

static void integer(FILE *out, const unsigned char *bytes, uint64_t n) {
    while (n > 1 && bytes[n - 1] == (bytes[n - 2] & 0x80 ? 0xff : 0)) n--;
    hex(out, bytes, n);
}

static void elements(const torpor_array *a, uint64_t axis, const unsigned char *at, uint64_t *sum) {
    if (axis < a->ndim) {
        for (int64_t i = 0; i < a->shape[axis]; i++) elements(a, axis + 1, at + i * a->strides[axis], sum);
        return;
    }
    for (uint64_t i = 0; i < a->itemsize; i++) *sum = (*sum ^ at[i]) * UINT64_C(0x100000001b3);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void value(FILE *out, const torpor_value *v);

static void set(FILE *out, const torpor_value *v) {
    char **texts = calloc(v->length + 1, sizeof *texts);
    torpor_value item;
    size_t size;
    for (uint64_t i = 0; i < v->length; i++) {
        FILE *text = open_memstream(&texts[i], &size);
        if (torpor_value_at(v, i, &item, &error) != TORPOR_OK) fail();
        value(text, &item);
        fclose(text);
    }
    qsort(texts, v->length, sizeof *texts, by_text);
    for (uint64_t i = 0; i < v->length; i++) {
        fputs(texts[i], out);
        free(texts[i]);
    }
    free(texts);
}

static int again(FILE *out, const torpor_value *v) {
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i] == v->node) return fprintf(out, "again %zu\n", i) > 0;
    }
    if (seen_count < sizeof seen / sizeof *seen) seen[seen_count++] = v->node;
    return 0;
}

static void items(FILE *out, const torpor_value *v) {
    torpor_value item;
    fprintf(out, "%s %llu\n", v->type_name, (unsigned long long)v->length);
    for (uint64_t i = 0; i < v->length; i++) {
        if (torpor_value_at(v, i, &item, &error) != TORPOR_OK) fail();
        value(out, &item);
    }
}

static void value(FILE *out, const torpor_value *v) {
    static const char *const counted[] = {"list", "dict", "set", "bytearray", "numpy.ndarray"};
    torpor_value key, item;
    torpor_array a;
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        if (v->kind != TORPOR_KIND_OPAQUE && strcmp(v->type_name, counted[i]) == 0 && again(out, v)) return;
    }
    switch (v->kind) {
    case TORPOR_KIND_NONE:
        fputs("none", out);
        break;
    case TORPOR_KIND_BOOL:
        fprintf(out, "bool %d", (int)v->integer);
        break;
    case TORPOR_KIND_INT:
        fputs("int ", out);
        if (v->data != NULL) integer(out, v->data, v->length);
        else integer(out, (const unsigned char *)&v->integer, sizeof v->integer);
        break;
    case TORPOR_KIND_FLOAT:
    case TORPOR_KIND_COMPLEX:
        fprintf(out, "%s ", v->type_name);
        hex(out, &v->real, sizeof v->real);
        if (v->kind == TORPOR_KIND_FLOAT) break;
        fputc(' ', out);
        hex(out, &v->imaginary, sizeof v->imaginary);
        break;
    case TORPOR_KIND_TEXT:
    case TORPOR_KIND_BYTES:
        fprintf(out, "%s ", v->type_name);
        hex(out, v->data, v->length);
        break;
    case TORPOR_KIND_SEQUENCE:
        items(out, v);
        return;
    case TORPOR_KIND_SET:
        fprintf(out, "%s %llu\n", v->type_name, (unsigned long long)v->length);
        set(out, v);
        return;
    case TORPOR_KIND_MAPPING:
        fprintf(out, "dict %llu\n", (unsigned long long)v->length);
        for (uint64_t i = 0; i < v->length; i++) {
            if (torpor_value_entry(v, i, &key, &item, &error) != TORPOR_OK) fail();
            value(out, &key);
            value(out, &item);
        }
        return;
    case TORPOR_KIND_ARRAY:
        if (torpor_value_array(v, &a, &error) != TORPOR_OK) fail();
        elements(&a, 0, a.data, &sum);
        fprintf(out, "array %s (", a.format);
        for (uint64_t i = 0; i < a.ndim; i++) fprintf(out, i ? " %lld" : "%lld", (long long)a.shape[i]);
        fprintf(out, ") %016llx", (unsigned long long)sum);
        break;
    default:
        if (strcmp(v->type_name, "range") == 0 || strcmp(v->type_name, "slice") == 0) {
            items(out, v);
            return;
        }
        fprintf(out, "opaque %s", v->type_name);
    }
    fputc('\n', out);
}

int main(int argc, char **argv) {
    torpor_store *store;
    torpor_snapshot *snapshot;
    torpor_info info;
    torpor_frame frame;
    torpor_value local;
    if (argc != 3) return 2;
    if (torpor_store_open(argv[1], NULL, &store, &error) != TORPOR_OK) fail();
    if (torpor_snapshot_open(store, argv[2], 0, &snapshot, &error) != TORPOR_OK) fail();
    if (torpor_snapshot_info(snapshot, &info, sizeof info, &error) != TORPOR_OK) fail();
    printf("snapshot %llu %llu %lu\n", (unsigned long long)info.id, (unsigned long long)info.nbytes,
           (unsigned long)info.pid);
    for (uint64_t i = 0; i < info.frames; i++) {
        if (torpor_snapshot_frame_info(snapshot, i, &frame, sizeof frame, &error) != TORPOR_OK) fail();
        printf("frame %s %s %s %d\n", frame.function, frame.qualname, frame.module, (int)frame.lineno);
        for (uint64_t n = 0; n < frame.local_count; n++) {
            if (torpor_snapshot_local(snapshot, i, frame.local_names[n], &local, &error) != TORPOR_OK) fail();
            printf("%s: ", frame.local_names[n]);
            seen_count = 0;
            value(stdout, &local);
        }
    }
    torpor_stats s;
    if (torpor_store_stats(store, &s, sizeof s, &error) != TORPOR_OK) fail();
    const uint64_t numbers[] = {s.capacity, s.used,      s.cached, s.overhead, s.snapshots, s.keys,
                                s.retired,  s.buffers, s.processes, s.pins, s.slots};
    printf("store");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) printf(" %llu", (unsigned long long)numbers[i]);
    printf("\n");
    torpor_snapshot_close(snapshot);
    torpor_store_close(store);
    return 0;
}
