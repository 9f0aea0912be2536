/* Promise: whatever C passes, a function returns a status that says what is wrong; nothing crashes. */
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "torpor.h"

static torpor_error error;

static void names(void) {
    static const struct {
        int32_t status;
        const char *name;
    } all[] = {
#define NAME(status) {status, #status}
        NAME(TORPOR_OK), NAME(TORPOR_E_INVALID_ARGUMENT), NAME(TORPOR_E_PYTHON), NAME(TORPOR_E_NO_MEMORY),
        NAME(TORPOR_E_PANIC), NAME(TORPOR_E_IO), NAME(TORPOR_E_INTERRUPTED), NAME(TORPOR_E_TIMEOUT),
        NAME(TORPOR_E_UNSUPPORTED_PLATFORM), NAME(TORPOR_E_NOT_FOUND), NAME(TORPOR_E_STORE),
        NAME(TORPOR_E_STORE_NOT_FOUND), NAME(TORPOR_E_STORE_FULL), NAME(TORPOR_E_STORE_CORRUPT),
        NAME(TORPOR_E_STORE_FOREIGN), NAME(TORPOR_E_CAPTURE), NAME(TORPOR_E_UNSUPPORTED_FRAME),
        NAME(TORPOR_E_UNCAPTURABLE_VALUE), NAME(TORPOR_E_ADOPT), NAME(TORPOR_E_SNAPSHOT_NOT_FOUND),
        NAME(TORPOR_E_CORRUPT_SNAPSHOT), NAME(TORPOR_E_VERSION_MISMATCH), NAME(TORPOR_E_RESUME),
        NAME(TORPOR_E_ALREADY_RESUMED),
    };
    size_t known = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(strcmp(torpor_status_name(all[i].status), all[i].name) == 0);
    }
    for (int32_t n = -10; n < 1000; n++) known += strcmp(torpor_status_name(n), "unknown status") != 0;
    CHECK(known == sizeof all / sizeof *all);
    CHECK(strcmp(torpor_version(), "0.1.0") == 0 && torpor_format_version() >= 1);
}

static void stores(void) {
    torpor_store *store = (torpor_store *)&error, *again;
    torpor_store_options options;
    torpor_snapshot *snapshot = (torpor_snapshot *)&error;
    torpor_iterator *iterator;
    torpor_reclaimed back;
    struct {
        torpor_stats known;
        uint64_t later;
    } stats;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.attach_only = 1;
    BAD(TORPOR_E_STORE_NOT_FOUND, torpor_store_open("errors", &options, &store, &error));
    CHECK(store == NULL);
    options.attach_only = 2;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("errors", &options, &store, &error));
    options.attach_only = 0;
    options.full = 9;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("errors", &options, &store, &error));
    options.full = TORPOR_FULL_DROP;
    options.full_timeout_ms = 100; /* only where it waits */
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("errors", &options, &store, &error));
    options.full = TORPOR_FULL_WAIT;
    options.full_timeout_ms = UINT64_MAX;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("errors", &options, &store, &error));
    options.full_timeout_ms = 0;
    options.full = TORPOR_FULL_ERROR;
    options.size = 3;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("errors", &options, &store, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("\xff", NULL, &store, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("", NULL, &store, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("../up", NULL, &store, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("errors", NULL, NULL, &error));
    CHECK(torpor_store_open("errors", NULL, NULL, NULL) == TORPOR_E_INVALID_ARGUMENT);
    options.size = sizeof options;
    options.dir = "/proc/nowhere";
    BAD(TORPOR_E_IO, torpor_store_open("errors", &options, &store, &error));
    CHECK(error.error_number != 0);

    /* A newer program's options: unknown ones must be zero. */
    struct {
        torpor_store_options known;
        uint64_t later;
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.known.size = sizeof newer;
    newer.known.capacity = 8 << 20;
    GOOD(torpor_store_open("errors", &newer.known, &store, &error));
    newer.later = 1;
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_open("errors", &newer.known, &again, &error));
    GOOD(torpor_store_open("errors", NULL, &again, &error));
    torpor_store_close(again);
    memset(&stats, 0xff, sizeof stats);
    GOOD(torpor_store_stats(store, &stats.known, sizeof stats, &error));
    CHECK(stats.known.capacity >= 8 << 20 && stats.known.processes == 1 && stats.later == 0);
    CHECK(stats.known.buffers == 0 && stats.known.slots == 0);
    memset(&stats, 0xff, sizeof stats); /* an older program's, which knew of no buffers */
    GOOD(torpor_store_stats(store, &stats.known, offsetof(torpor_stats, buffers), &error));
    CHECK(stats.known.retired == 0 && stats.known.buffers == UINT64_MAX);
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_stats(store, &stats.known, 8, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_stats(store, NULL, sizeof stats, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_stats(NULL, &stats.known, sizeof stats, &error));
    GOOD(torpor_store_gc(store, NULL, 0, &error));
    GOOD(torpor_store_gc(store, &back, sizeof back, &error));
    CHECK(back.processes == 0 && back.bytes == 0);

    BAD(TORPOR_E_SNAPSHOT_NOT_FOUND, torpor_snapshot_open(store, "nothing", 0, &snapshot, &error));
    CHECK(snapshot == NULL);
    BAD(TORPOR_E_SNAPSHOT_NOT_FOUND, torpor_snapshot_open(store, NULL, 77, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_open(store, NULL, 0, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_open(store, "both", 1, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_open(store, "", 0, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_open(NULL, "key", 0, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_open(store, "key", 0, NULL, &error));
    BAD(TORPOR_E_TIMEOUT, torpor_store_wait(store, "nothing", 0, 20, &snapshot, &error));
    BAD(TORPOR_E_TIMEOUT, torpor_store_wait(store, "nothing", 0, 0, &snapshot, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_wait(store, NULL, 0, 0, &snapshot, &error));
    GOOD(torpor_store_iterate(store, &iterator, &error));
    GOOD(torpor_iterator_next(iterator, &snapshot, &error));
    CHECK(snapshot == NULL);
    torpor_iterator_free(iterator);
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_iterate(store, NULL, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_iterator_next(NULL, &snapshot, &error));

    GOOD(torpor_store_destroy(store, &error));
    BAD(TORPOR_E_STORE_NOT_FOUND, torpor_store_stats(store, &stats.known, sizeof stats, &error));
    BAD(TORPOR_E_STORE_NOT_FOUND, torpor_snapshot_open(store, "nothing", 0, &snapshot, &error));
    BAD(TORPOR_E_STORE_NOT_FOUND, torpor_store_wait(store, "nothing", 0, -1, &snapshot, &error));
    BAD(TORPOR_E_STORE_NOT_FOUND, torpor_store_destroy(store, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_store_destroy(NULL, &error));
    torpor_store_close(store);
    torpor_store_close(NULL);
    torpor_snapshot_close(NULL);
    torpor_iterator_free(NULL);
}

/* Reads whatever there is, to some depth. */
static void walk(const torpor_value *value, int depth) {
    torpor_value key, item;
    torpor_array array;
    volatile unsigned char sum = 0;
    if (value->data != NULL) {
        for (uint64_t i = 0; i < value->length; i++) sum = (unsigned char)(sum + value->data[i]);
    }
    if (torpor_value_array(value, &array, NULL) == TORPOR_OK && array.contiguous) {
        const unsigned char *data = (const unsigned char *)array.data;
        for (uint64_t i = 0; i < array.size * array.itemsize; i += 512) sum = (unsigned char)(sum + data[i]);
    }
    for (uint64_t i = 0; depth > 0 && i < value->length && i < 50; i++) {
        if (torpor_value_at(value, i, &item, NULL) == TORPOR_OK) walk(&item, depth - 1);
        if (torpor_value_entry(value, i, &key, &item, NULL) == TORPOR_OK) {
            walk(&key, depth - 1);
            walk(&item, depth - 1);
        }
    }
}

/* 1 if the bytes opened; then everything in them was read. */
static int try_bytes(const void *bytes, size_t length) {
    torpor_snapshot *snapshot;
    torpor_frame frame;
    torpor_value value;
    int32_t status = torpor_snapshot_from_bytes(bytes, length, &snapshot, &error);
    if (status != TORPOR_OK) {
        CHECK(snapshot == NULL && error.status == status && error.message[0] != 0);
        CHECK(status == TORPOR_E_CORRUPT_SNAPSHOT || status == TORPOR_E_VERSION_MISMATCH);
        return 0;
    }
    for (uint64_t i = 0; torpor_snapshot_frame_info(snapshot, i, &frame, sizeof frame, NULL) == TORPOR_OK; i++) {
        for (uint64_t n = 0; n < frame.local_count; n++) {
            if (torpor_snapshot_local(snapshot, i, frame.local_names[n], &value, NULL) == TORPOR_OK) walk(&value, 4);
        }
    }
    torpor_snapshot_close(snapshot);
    return 1;
}

static void damage(void) {
    torpor_store *store;
    torpor_snapshot *snapshot, *other;
    torpor_value value;
    torpor_array array;
    torpor_frame frame;
    torpor_info info;
    const void *bytes;
    size_t length;
    uint64_t count;
    uint64_t random = 88172645463325252u;

    memset(&value, 0, sizeof value);
    GOOD(torpor_store_open("host", NULL, &store, &error));
    GOOD(torpor_snapshot_open(store, "values", 0, &snapshot, &error));
    GOOD(torpor_snapshot_info(snapshot, &info, sizeof info, &error));
    GOOD(torpor_snapshot_open(store, NULL, info.id, &other, &error));
    torpor_snapshot_close(other);
    BAD(TORPOR_E_NOT_FOUND, torpor_snapshot_frame_info(snapshot, info.frames, &frame, sizeof frame, &error));
    BAD(TORPOR_E_NOT_FOUND, torpor_snapshot_frame_info(snapshot, UINT64_MAX, &frame, sizeof frame, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_frame_info(snapshot, 0, &frame, 7, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_frame_count(snapshot, NULL, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_frame_count(NULL, &count, &error));
    BAD(TORPOR_E_NOT_FOUND, torpor_snapshot_local(snapshot, 0, "missing", &value, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_local(snapshot, 0, NULL, &value, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_local(snapshot, 0, "x", NULL, &error));
    BAD(TORPOR_E_NOT_FOUND, torpor_snapshot_local(snapshot, 99, "x", &value, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_value_at(&value, 0, &value, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_value_len(NULL, &count, &error));
    BAD(TORPOR_E_NOT_FOUND, torpor_snapshot_attachment(snapshot, "mpi", &array, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_attachment(snapshot, "mpi", NULL, &error));
    BAD(TORPOR_E_IO, torpor_snapshot_save(snapshot, "/nowhere/at/all", &error));
    BAD(TORPOR_E_IO, torpor_snapshot_load("/nowhere/at/all", &other, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_load(NULL, &other, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_from_bytes(NULL, 5, &other, &error));
    BAD(TORPOR_E_INVALID_ARGUMENT, torpor_snapshot_bytes(snapshot, &bytes, NULL, &error));

    GOOD(torpor_snapshot_bytes(snapshot, &bytes, &length, &error));
    CHECK(length == info.nbytes && try_bytes(bytes, length) == 1);
    size_t head = length < 12000 ? length : 12000, opened = 0;
    unsigned char *copy = (unsigned char *)malloc(length);
    CHECK(copy != NULL);
    for (size_t cut = 0; cut < head; cut += 97) CHECK(try_bytes(bytes, cut) == 0);
    for (int round = 0; round < 2000; round++) {
        memcpy(copy, bytes, length);
        for (int flips = 0; flips <= round % 3; flips++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            copy[random / 8 % head] ^= (unsigned char)(1u << random % 8);
        }
        opened += (size_t)try_bytes(copy, length);
    }
    for (size_t i = 0; i < head; i++) copy[i] = (unsigned char)(i * 31);
    CHECK(try_bytes(copy, head) == 0);
    free(copy);
    printf("errors: of 2000 damaged snapshots %zu still opened and could be read\n", opened);

    GOOD(torpor_snapshot_remove(snapshot, &error));
    BAD(TORPOR_E_SNAPSHOT_NOT_FOUND, torpor_snapshot_remove(snapshot, &error));
    GOOD(torpor_snapshot_local(snapshot, 1, "small", &value, &error)); /* held: still there */
    torpor_snapshot_close(snapshot);
    BAD(TORPOR_E_SNAPSHOT_NOT_FOUND, torpor_snapshot_open(store, "values", 0, &snapshot, &error));
    torpor_store_close(store);
}

int main(void) {
    names();
    stores();
    damage();
    return 0;
}
