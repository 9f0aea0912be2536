# Locks and semaphores of multiprocessing: the kernel's, without a name by which another process could open them. Who has no
# children shares them with nobody; they are made anew, in their state.


def _reduce_shared_lock(lock):
    module = sys.modules["multiprocessing"]
    if module.active_children() or module.parent_process() is not None:
        raise TypeError("it may be shared with other processes of multiprocessing; make it anew after the resume")
    inner = lock._semlock
    mine, value = inner._is_mine(), inner._get_value()
    if not value and not mine and type(lock).__name__ in ("Lock", "RLock"):
        raise TypeError("another thread or process holds it; capture when it is free")
    count = inner._count() if mine else 0
    return make_shared_lock, (type(lock), inner.kind, value, inner.maxvalue, count)


def make_shared_lock(cls, kind, value, most, count):
    synchronize = importlib.import_module("multiprocessing.synchronize")
    if not issubclass(cls, synchronize.SemLock):
        raise TypeError("no lock of multiprocessing")
    lock = cls.__new__(cls)
    recursive = kind == synchronize.RECURSIVE_MUTEX
    is_mutex = cls in (synchronize.Lock, synchronize.RLock)
    context = importlib.import_module("multiprocessing").get_context()
    synchronize.SemLock.__init__(lock, kind, 1 if is_mutex else value, most, ctx=context)
    for _ in range(count if recursive else min(count, 1) if is_mutex else 0):
        lock.acquire()
    return lock


def _kinds_of_shared_locks():
    module = sys.modules["multiprocessing.synchronize"]
    return {getattr(module, name): _reduce_shared_lock for name in ("Lock", "RLock", "Semaphore", "BoundedSemaphore")}


_LATE_KINDS["multiprocessing.synchronize", "BoundedSemaphore"] = _kinds_of_shared_locks
