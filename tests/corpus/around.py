"""Part of the scripts that run.py makes: what goes on around a program while it is captured, or while it is resumed."""


def _heard(*_):
    return _heard


def _in_threads(count):
    """Runs work() in so many threads at once, which must give the same."""

    def around(work):
        import threading

        ended = []

        def run():
            try:
                ended.append((work(), None))
            except BaseException as error:
                ended.append((None, error))

        threading.stack_size(256 << 20)  # one program is deep
        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result, error in ended:
            if error is not None:
                raise error
            assert result == ended[0][0], [result for result, _ in ended]
        return result

    return around


def _in_greenlet(work):
    import greenlet

    return greenlet.greenlet(work).switch()


def _while_set(begin, end):
    def around(work):
        begin()
        try:
            return work()
        finally:
            end()

    return around


def _monitor():
    """Every event of sys.monitoring is heard."""
    monitoring = sys.monitoring
    monitoring.use_tool_id(3, "around")
    # These two come with CALL.
    events = [n for name, n in vars(monitoring.events).items() if name.isupper() and n and name not in ("C_RAISE", "C_RETURN")]
    for event in events:
        monitoring.register_callback(3, event, lambda *_: None)
    monitoring.set_events(3, sum(events))


def _collect():
    import gc

    gc.set_threshold(1)


AROUND = {
    "collections": _while_set(_collect, lambda: None),
    "trace": _while_set(lambda: sys.settrace(_heard), lambda: sys.settrace(None)),
    "profile": _while_set(lambda: sys.setprofile(_heard), lambda: sys.setprofile(None)),
    "thread": _in_threads(1),
    "threads": _in_threads(2),
    "greenlet": _in_greenlet,
}
if hasattr(sys, "monitoring"):
    AROUND["monitoring"] = _while_set(_monitor, lambda: sys.monitoring.set_events(3, 0))


def around(step, work):
    """work(), with what the environment asks for around this step of a program's way: "captured" or "resumed"."""
    name = os.environ.get(f"TORPOR_CORPUS_{step.upper()}")
    return AROUND[name](work) if name else work()
