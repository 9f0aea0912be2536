"""After harness.py: runs programs that it is given as text, one a line. See tests/python/test_random_programs.py."""


class Box:
    def __init__(self):
        self.total = 0

    def add(self, x):
        self.total += x
        return self.total


class Guard:
    def __init__(self, name, swallow):
        self.name, self.swallow = name, swallow

    def __enter__(self):
        note("enter", self.name)
        return self.name

    def __exit__(self, kind, value, traceback):
        note("exit", self.name, repr(value), STATE["in_exit"] and p(1))
        return kind is not None and issubclass(kind, self.swallow)


def pack(*args, k=0):
    return len(args) + p(k)


def deep(n, x):
    return p(x) if n == 0 else deep(n - 1, x) + 1


def seen():
    return repr(sys.exc_info()[1])


def p(value):
    """The program is captured at one of these calls."""
    STATE["hits"] += 1
    return pause(value, STATE["hits"] == STATE["at"])


def attempt(source, mode, at, key, warm, in_exit):
    exec(compile(source, "<program>", "exec"), globals())
    for n in reversed(range(warm + 1)):
        last = n == 0
        STATE.update(mode=mode if last else "plain", at=at if last else 0, in_exit=in_exit)
        STATE.update(key=key, hits=0, pauses=0, refusal=None)
        LOG.clear()
        text = torpor.run(drive, program)
    return {"text": text, "hits": STATE["hits"], "refusal": STATE["refusal"]}


for line in sys.stdin:
    job = json.loads(line)
    report(**in_child(lambda: attempt(**job)))
