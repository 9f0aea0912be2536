"""The accounts of a store: every page that it has belongs to something that lives, or is kept warm."""

import gc
import os
import pathlib

import torpor

SMALLEST_CHUNK = 16 << 10


def audit(place):
    """Checks each store in a directory, as the test left it; those that a test has damaged are not asked."""
    gc.collect()
    for meta in pathlib.Path(place).glob("torpor-*/v*/[!.]*/meta"):
        try:
            store = torpor.Store(meta.parent.name, create=False, dir=str(place))
            store.gc()
        except torpor.StoreError:
            continue
        check(store, meta.parent)


def check(store, directory):
    stats = store.stats()
    data, tables = (os.stat(directory / name).st_blocks * 512 for name in ("data", "meta"))
    assert data >= stats.used + stats.cached, (data, stats)
    if str(directory).startswith("/dev/shm"):  # file systems on disks have blocks of their own in a file
        assert data == stats.used + stats.cached, (data, stats)
        assert tables <= stats.overhead, (tables, stats)
    assert stats.slots == stats.snapshots + stats.buffers + stats.retired, stats
    # What is in use are the snapshots: small ones in blocks of powers of two, large ones in whole chunks.
    sizes = [snapshot.nbytes for snapshot in store.snapshots()]
    chunk = max(SMALLEST_CHUNK, 1 << max(0, store.capacity - 1).bit_length() - 16)
    most = sum(max(512, 2 * n) if 2 * n <= chunk else n + chunk for n in sizes)
    if stats.retired == 0 and stats.buffers == 0:
        assert sum(sizes) <= stats.used <= most, (sizes, stats)
