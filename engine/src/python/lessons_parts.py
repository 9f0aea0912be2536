# Which lessons are held first: a process needs few of them, and all take a few tenths of a second. An order, nothing more:
# where what is known does not show what an instruction did, the next ones are held, until there are none (plan.rs).

_CLASS_LESSONS = ("class body", "class creation", "init/type.__call__", "new/type.__call__")
_OPERATOR_LESSONS = ("operator", "comparison", "operator/power", "operator/sequence")
_LOOP_LESSONS = ("iterated", "delegated")
_AWAIT_LESSONS = ("await", "await call")
_PARTIAL_LESSONS = ("partial", "Context.run", "Context.run by partial")
_PATTERN_LESSONS = ("class pattern", "mapping pattern", "length pattern")
_KEY_LESSONS = ("lookup", "index/slice", "slice index")
_SUPER_LESSONS = ("super attribute", "getattr()/super", "hasattr()/super", *(kind for kind in _LESSONS if kind.startswith("explicit ")))
_FUNCTION_LESSONS = tuple(kind for kind in _LESSONS if kind.endswith(("/function", "/of operator"))) + ("path", "print", "conversion")
_TEXT_LESSONS = ("percent", "str.format")
_STEP_LESSONS = ("next of iterator", "any of iterator")
_BEGUN_LESSONS = ("begun", "extended", "spread", "unpacked", "starred", "repeated", "merged", "keys")
_CHECK_LESSONS = ("isinstance/tuple", "abstract class")
_LATER_LESSONS = frozenset((
    *_CLASS_LESSONS, *_OPERATOR_LESSONS, *_LOOP_LESSONS, *_AWAIT_LESSONS, *_PARTIAL_LESSONS, *_PATTERN_LESSONS, *_KEY_LESSONS,
    *_SUPER_LESSONS, *_FUNCTION_LESSONS, *_TEXT_LESSONS, *_STEP_LESSONS, *_BEGUN_LESSONS, *_CHECK_LESSONS,
))  # fmt: skip
_FIRST_LESSONS = tuple(kind for kind in _LESSONS if kind not in _LATER_LESSONS)
_CALL_LESSONS = (
    _FIRST_LESSONS, _PARTIAL_LESSONS, _AWAIT_LESSONS, _STEP_LESSONS, _CLASS_LESSONS, _CHECK_LESSONS, _FUNCTION_LESSONS, _BEGUN_LESSONS,
    _TEXT_LESSONS, _SUPER_LESSONS,
)  # fmt: skip
_LESSONS_OF = {
    "BINARY_OP": (_OPERATOR_LESSONS, _TEXT_LESSONS, _KEY_LESSONS, _BEGUN_LESSONS), "COMPARE_OP": (_OPERATOR_LESSONS,),
    "FOR_ITER": (_FIRST_LESSONS, _LOOP_LESSONS), "SEND": (_FIRST_LESSONS, _LOOP_LESSONS, _AWAIT_LESSONS),
    "LOAD_SUPER_ATTR": (_SUPER_LESSONS,), "BINARY_SUBSCR": (_FIRST_LESSONS, _KEY_LESSONS), "CONTAINS_OP": (_FIRST_LESSONS, _KEY_LESSONS),
    "STORE_SUBSCR": (_FIRST_LESSONS, _KEY_LESSONS), "DELETE_SUBSCR": (_FIRST_LESSONS, _KEY_LESSONS), "BUILD_SET": (_KEY_LESSONS,),
    "BUILD_MAP": (_KEY_LESSONS,), "SET_ADD": (_KEY_LESSONS,), "MAP_ADD": (_KEY_LESSONS,), "LIST_EXTEND": (_BEGUN_LESSONS,),
    "SET_UPDATE": (_BEGUN_LESSONS,), "UNPACK_SEQUENCE": (_BEGUN_LESSONS,), "UNPACK_EX": (_BEGUN_LESSONS,),
    "DICT_UPDATE": (_BEGUN_LESSONS,), "DICT_MERGE": (_BEGUN_LESSONS,), "MATCH_CLASS": (_PATTERN_LESSONS,),
    "MATCH_KEYS": (_PATTERN_LESSONS,), "GET_LEN": (_PATTERN_LESSONS,),
}  # fmt: skip
_ALL_LESSONS = (
    *_CALL_LESSONS, _LOOP_LESSONS, _OPERATOR_LESSONS, _KEY_LESSONS, _PATTERN_LESSONS, learn_tasks, learn_thrown, learn_nested,
)  # fmt: skip
if sys.version_info >= (3, 14):  # the operands of most instructions are known without the C stack
    _LESSONS_OF, _CALL_LESSONS, _ALL_LESSONS = {}, (), (("lookup", "unpacked"),)


def _next_part(lessons, op):
    state = _tracing()
    if len({held for _, held in lessons} | {state}) > 16:
        return None
    for part in (*_LESSONS_OF.get(op, _CALL_LESSONS), *_ALL_LESSONS):
        if (part, state) not in lessons and (part is not learn_tasks or asyncio_is_there()):
            return part, state
    return None


def knows_all(lessons):
    """Whether learn_next() has nothing more to hold, whatever the instruction."""
    return _next_part(lessons, None) is None


def learn_next(lessons, note, op):
    """Hold the next of the lessons that were not held in the state of tracing and profiling that this thread is in,
    those that an instruction is likely to need first. False if there is none.

    lessons: which were held in which state. op: the name of the instruction.
    """
    found = _next_part(lessons, op)
    if found is None:
        return False
    part = found[0]
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)  # an event loop need not know
    try:
        if isinstance(part, tuple):
            learn_kinds(note, {kind: _LESSONS[kind] for kind in part})
        else:
            part(note)
    finally:
        sys.set_asyncgen_hooks(*hooks)
    lessons.add(found)
    return True
