/* Promise: a program without Python reads every kind of value of a snapshot in place. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "torpor.h"

static torpor_snapshot *snapshot;
static torpor_error error;

static torpor_value local(const char *name) {
    torpor_value value;
    uint64_t length;
    GOOD(torpor_snapshot_local(snapshot, 1, name, &value, &error));
    GOOD(torpor_value_len(&value, &length, &error));
    CHECK(length == value.length && value.snapshot == snapshot);
    return value;
}

static torpor_value at(torpor_value value, uint64_t index) {
    torpor_value item;
    GOOD(torpor_value_at(&value, index, &item, &error));
    return item;
}

static int named(torpor_value value, int32_t kind, const char *type_name) {
    return value.kind == kind && strcmp(value.type_name, type_name) == 0;
}

static int holds(torpor_value value, const void *bytes, size_t length) {
    return value.length == length && memcmp(value.data, bytes, length) == 0;
}

static void frames(void) {
    torpor_frame frame;
    torpor_info info;
    uint64_t count;
    GOOD(torpor_snapshot_info(snapshot, &info, sizeof info, &error));
    CHECK(info.id > 0 && strcmp(info.key, "values") == 0 && info.frames == 2 && info.pid > 1);
    CHECK(info.python >> 24 == 3 && info.nbytes > 1000 && info.created > UINT64_C(1700000000000000000));
    GOOD(torpor_snapshot_frame_count(snapshot, &count, &error));
    CHECK(count == 2);
    GOOD(torpor_snapshot_frame_info(snapshot, 0, &frame, sizeof frame, &error));
    CHECK(strcmp(frame.function, "outer_line") == 0 && frame.local_count == 0);
    CHECK(frame.lineno == frame.firstlineno + 1);
    GOOD(torpor_snapshot_frame_info(snapshot, 1, &frame, sizeof frame, &error));
    CHECK(strcmp(frame.qualname, "scene") == 0 && strcmp(frame.module, "__main__") == 0);
    CHECK(strstr(frame.filename, "values.py") != NULL && frame.local_count > 15);
    int found = 0;
    for (uint64_t i = 0; i < frame.local_count; i++) found += strcmp(frame.local_names[i], "small") == 0;
    CHECK(found == 1);
}

static void scalars(void) {
    static const unsigned char big[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0};
    CHECK(named(local("nothing"), TORPOR_KIND_NONE, "NoneType"));
    CHECK(named(local("yes"), TORPOR_KIND_BOOL, "bool") && local("yes").integer == 1);
    CHECK(named(local("small"), TORPOR_KIND_INT, "int") && local("small").integer == 42);
    CHECK(local("small").data == NULL && local("negative").integer == INT64_MIN);
    torpor_value value = local("big");
    CHECK(value.kind == TORPOR_KIND_INT && value.length >= sizeof big && memcmp(value.data, big, sizeof big) == 0);
    for (uint64_t i = sizeof big; i < value.length; i++) CHECK(value.data[i] == 0xff);
    CHECK(named(local("real"), TORPOR_KIND_FLOAT, "float") && local("real").real == 2.5);
    value = local("number");
    CHECK(named(value, TORPOR_KIND_COMPLEX, "complex") && value.real == 1.5 && value.imaginary == -2);
    static const char text[] = "gr\xc3\xbc\xc3\x9f" "e, \xe4\xb8\x96\xe7\x95\x8c\0!";
    CHECK(named(local("text"), TORPOR_KIND_TEXT, "str") && holds(local("text"), text, sizeof text - 1));
    CHECK(named(local("raw"), TORPOR_KIND_BYTES, "bytes") && holds(local("raw"), "\0\xff", 2));
    CHECK(named(local("changing"), TORPOR_KIND_BYTES, "bytearray") && holds(local("changing"), "abc", 3));
    value = local("day");
    CHECK(named(value, TORPOR_KIND_OPAQUE, "datetime.date"));
    BAD(TORPOR_E_NOT_FOUND, torpor_snapshot_local(snapshot, 1, "no", &value, &error));
    CHECK(value.kind == TORPOR_KIND_INVALID);
}

static void containers(void) {
    torpor_value items = local("items"), pair = local("pair"), value, key;
    CHECK(named(items, TORPOR_KIND_SEQUENCE, "list") && items.length == 3);
    CHECK(at(items, 0).integer == 1 && holds(at(items, 1), "two", 3) && at(items, 2).real == 3.0);
    BAD(TORPOR_E_NOT_FOUND, torpor_value_at(&items, 3, &value, &error));
    BAD(TORPOR_E_NOT_FOUND, torpor_value_entry(&items, 0, &key, &value, &error));
    CHECK(named(pair, TORPOR_KIND_SEQUENCE, "tuple") && at(pair, 0).kind == TORPOR_KIND_NONE);
    CHECK(local("same").node == items.node && pair.node != items.node);
    CHECK(named(local("group"), TORPOR_KIND_SET, "set") && at(local("group"), 0).integer == 7);
    CHECK(named(local("frozen"), TORPOR_KIND_SET, "frozenset"));
    torpor_value table = local("table");
    CHECK(named(table, TORPOR_KIND_MAPPING, "dict") && table.length == 2);
    GOOD(torpor_value_entry(&table, 0, &key, &value, &error));
    CHECK(holds(key, "a", 1) && value.integer == 1);
    GOOD(torpor_value_entry(&table, 1, &key, &value, &error));
    CHECK(key.integer == 2 && at(value, 0).integer == 3);
    BAD(TORPOR_E_NOT_FOUND, torpor_value_entry(&table, 2, &key, &value, &error));
    torpor_value loop = local("loop");
    CHECK(loop.length == 1 && at(loop, 0).node == loop.node && at(at(loop, 0), 0).node == loop.node);
    torpor_value steps = local("steps"), part = local("part");
    CHECK(named(steps, TORPOR_KIND_OPAQUE, "range") && steps.length == 3 && at(steps, 2).integer == 3);
    CHECK(named(part, TORPOR_KIND_OPAQUE, "slice") && at(part, 0).kind == TORPOR_KIND_NONE);
    CHECK(at(part, 1).integer == 5);
    value = items;
    GOOD(torpor_value_at(&value, 1, &value, &error)); /* out may be the value itself */
    CHECK(holds(value, "two", 3));
}

static void arrays(void) {
    torpor_array a;
    torpor_value value = local("array");
    GOOD(torpor_value_array(&value, &a, &error));
    CHECK(named(value, TORPOR_KIND_ARRAY, "numpy.ndarray"));
    CHECK(a.ndim == 2 && a.shape[0] == 2 && a.shape[1] == 3 && a.strides[0] == 24 && a.strides[1] == 8);
    CHECK(a.itemsize == 8 && a.size == 6 && a.contiguous == 1 && a.read_only == 0);
    CHECK(a.format[strlen(a.format) - 1] == 'd');
    for (int i = 0; i < 6; i++) CHECK(((const double *)a.data)[i] == i);
    const char *array_data = (const char *)a.data;
    value = local("view");
    GOOD(torpor_value_array(&value, &a, &error));
    CHECK(a.ndim == 1 && a.shape[0] == 2 && a.strides[0] == -24 && a.contiguous == 0);
    CHECK((const char *)a.data == array_data + 32); /* a view's elements are its array's */
    CHECK(*(const double *)((const char *)a.data + a.strides[0]) == 1.0);
    value = local("large");
    GOOD(torpor_value_array(&value, &a, &error));
    CHECK(a.size == 100000 && a.itemsize == 4 && (uintptr_t)a.data % 64 == 0);
    for (int i = 0; i < 100000; i += 999) CHECK(((const int32_t *)a.data)[i] == i);
    value = local("readable");
    GOOD(torpor_value_array(&value, &a, &error));
    CHECK(a.read_only == 1);
    value = local("items");
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_value_array(&value, &a, &error));
    CHECK(a.data == NULL && a.size == 0);
}

static void attached(void) {
    torpor_array a;
    GOOD(torpor_snapshot_attachment(snapshot, "raw", &a, &error));
    CHECK(a.size == 8 && a.itemsize == 1 && a.ndim == 1 && strcmp(a.format, "B") == 0);
    CHECK(memcmp(a.data, "as it is", 8) == 0 && a.contiguous == 1 && a.read_only == 1);
    GOOD(torpor_snapshot_attachment(snapshot, "empty", &a, &error));
    CHECK(a.size == 0 && a.shape[0] == 0);
    GOOD(torpor_snapshot_attachment(snapshot, "grid", &a, &error));
    CHECK(a.ndim == 2 && a.shape[0] == 640 && a.shape[1] == 100 && a.strides[0] == 400 && a.size == 64000);
    for (int i = 0; i < 256000; i++) CHECK(((const unsigned char *)a.data)[i] == i % 256);
    BAD(TORPOR_E_NOT_FOUND, torpor_snapshot_attachment(snapshot, "Raw", &a, &error));
    CHECK(a.data == NULL && a.size == 0);
}

/* A child has what its parent had open, as a process of its own. */
static void children(void) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        scalars();
        torpor_snapshot_close(snapshot);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    scalars();
}

static void everything(const char *how, int with_arrays) {
    frames();
    scalars();
    containers();
    attached();
    if (with_arrays) arrays();
    children();
    printf("values: %s: all as captured\n", how);
}

int main(int argc, char **argv) {
    torpor_store *store;
    torpor_snapshot *first;
    const void *bytes;
    size_t length;
    CHECK(argc == 3);
    int with_arrays = argv[2][0] == '1';
    GOOD(torpor_store_open("host", NULL, &store, &error));
    GOOD(torpor_snapshot_open(store, "values", 0, &snapshot, &error));
    torpor_store_close(store);
    everything("in the store", with_arrays);

    first = snapshot;
    GOOD(torpor_snapshot_bytes(first, &bytes, &length, &error));
    GOOD(torpor_snapshot_from_bytes(bytes, length, &snapshot, &error));
    GOOD(torpor_snapshot_save(first, argv[1], &error));
    torpor_snapshot_close(first);
    scalars();
    containers();
    attached();
    if (with_arrays) arrays();
    torpor_snapshot_close(snapshot);
    GOOD(torpor_snapshot_load(argv[1], &snapshot, &error));
    scalars();
    containers();
    attached();
    if (with_arrays) arrays();
    torpor_snapshot_close(snapshot);
    return 0;
}
