"""The fresh process: it imports torpor, and forks a child for every row that it resumes. The row goes on to its end."""

import torpor


def resume(key):
    """How it was refused, or None."""
    try:
        continuation = torpor.adopt(key)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    continuation.resume()


for line in sys.stdin:
    key = json.loads(line)
    report(row=key, **in_child(lambda: resume(key)))
