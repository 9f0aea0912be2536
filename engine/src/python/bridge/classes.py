# Bodies of classes, and what exec runs.


def _class_body(call, args, kwargs):
    body, name, *bases = args
    bases = tuple(bases)
    if call.generator is not None or body is not call.function or call.space is EMPTY:
        return None
    # What is no class is asked for its bases again: typing's generics do not mind.
    for base in bases:
        if not _is(base, type) and type(base).__module__ not in ("typing", "types"):
            return None
    if any(not _is(base, type) for base in bases):
        resolved = types.resolve_bases(bases)
    else:
        resolved = bases
    kwargs = dict(kwargs)
    meta = kwargs.pop("metaclass", None)
    if meta is None:
        meta = type(resolved[0]) if resolved else type
    if _is(meta, type):
        for base in resolved:
            if _derives(meta, type(base)):
                meta = type(base)
    return "class body", "after", [], [(finish_class, (meta, name, bases, call.space, kwargs), None)]


def _executed(call, function, args):
    """exec or eval: the inner frame is no function's, and runs where it was told to, or here."""
    if call.generator is not None or call.inner.co_flags & 3 or call.space is EMPTY:
        return None
    if _is(args[0], types.CodeType) and args[0] is not call.inner:
        return None
    if function is eval:
        return "eval", "after", [], []
    return "exec", "after", [], [(finish_none, (), None)]
