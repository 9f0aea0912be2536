"""The fresh process: it imports torpor, and forks a child for every snapshot that it resumes."""

import torpor


def resume(key, target, error):
    """What becomes of a snapshot that is resumed, or in which an exception is raised."""
    continuation = torpor.adopt(key)
    if target:
        return finish(continuation.greenlet() if target == "greenlet" else continuation.object, error)
    if error is not None:
        return continuation.throw(error)
    return continuation.resume("resumed")


def resume_script(key, error):
    """As `resume` for a script: what it prints is compared, and the exception that ends it."""
    try:
        resume(key, None, error)
    except Exception as raised:
        print(f"{type(raised).__name__}: {raised}")


sys.setrecursionlimit(10_000)  # one program is deeper than the default
for line in sys.stdin:
    job = json.loads(line)
    error = ValueError("thrown") if job["throw"] else None
    if job["script"]:
        record = in_child(lambda: resume_script(job["key"], error))
    else:
        record = in_child(lambda: resume(job["key"], job["target"], error))
    report(program=job["program"], run=job["run"], **record)
