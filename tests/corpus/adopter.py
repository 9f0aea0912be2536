"""The fresh process: it imports torpor, and forks a child for every snapshot that it resumes."""

import torpor


class Thrown(ValueError):
    """Makes the exception that is thrown: whoever passes one that exists keeps it, and with it its traceback's frames."""

    def __new__(cls):
        return ValueError("thrown")


def resume(key, target, throw, path=()):
    """What becomes of a snapshot that is resumed, or in which an exception is raised. path: where modules are."""
    sys.path[:0] = path
    continuation = torpor.adopt(key)
    if target:
        target = continuation.greenlet() if target == "greenlet" else continuation.object
        if key.endswith(".cold") and not throw and not hasattr(target, "switch"):
            torpor.capture(target, key=key + ".again")  # a greenlet holds it, and has not begun to run
        return finish(target, ValueError("thrown") if throw else None)
    if throw:
        return continuation.throw(Thrown)
    return continuation.resume("resumed")


def resume_again(key, target, path):
    """The same in a process that has resumed it before, whatever came of that."""
    try:
        resume(key, target, False, path)
    except BaseException:
        pass
    return resume(key, target, False, path)


def resume_script(key, throw):
    """As `resume` for a script: what it prints is compared, and the exception that ends it."""
    try:
        resume(key, None, throw)
    except Exception as raised:
        print(f"{type(raised).__name__}: {raised}")


sys.setrecursionlimit(10_000)  # one program is deeper than the default
for line in sys.stdin:
    job = json.loads(line)
    if job["script"]:
        work = lambda: resume_script(job["key"], job["throw"])
    elif job.get("before"):
        work = lambda: resume_again(job["key"], job["target"], job["path"])
    else:
        work = lambda: resume(job["key"], job["target"], job["throw"], job["path"])
    record = in_child(lambda: around("resumed", work))
    report(program=job["program"], run=job["run"], **record)
