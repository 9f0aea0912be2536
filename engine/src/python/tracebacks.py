# Tracebacks and frame objects. A frame object is that of a frame of the captured stack or of a generator that travels
# (values/frame.rs); what else a traceback leads through is shown by its code, its instruction and its line.

def reduce_traceback(tb, is_captured):
    """is_captured: its frame is one of the captured stack, and comes back as that."""
    frame = tb.tb_frame
    module = frame.f_globals.get("__name__")
    return make_traceback, (tb.tb_next, frame if is_captured else frame.f_code, module, tb.tb_lasti, tb.tb_lineno)


def make_traceback(following, code, module, lasti, lineno):
    """A traceback entry: code, instruction and line. Its frame has no locals, unless it is one of the stack's."""
    if type(code) is types.FrameType:
        return types.TracebackType(following, code, lasti, lineno)
    names = {"__name__": module}
    if module != "__main__" and module in sys.modules:
        names = sys.modules[module].__dict__
    return types.TracebackType(following, new_frame(code, names), lasti, lineno)


def make_frame(code):
    """A frame object that shows no call yet."""
    return new_frame(code, {})


def fill_frame(frame, of):
    """of: the number of the frame, or the generator, whose object it is; it becomes that when all is there."""


def frame_locals(frame):
    return frame.f_locals


def _reduce_frame_locals(proxy):
    """The locals of a frame, seen through its object (from 3.13 on)."""
    frame = next(held for held in gc.get_referents(proxy) if type(held) is types.FrameType)
    return frame_locals, (frame,)


_frame_locals_type = type((lambda: sys._getframe().f_locals)())
if _frame_locals_type is not dict:
    REDUCERS[_frame_locals_type] = _reduce_frame_locals
