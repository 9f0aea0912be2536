# Captures that are asked for from outside: which threads are watched, and when one tries.
#
# While a request is open, the interpreter reports the lines that run: by sys.monitoring, or, on 3.11 and where all tools
# of that are taken, by a trace function of the one thread, in front of what it has. At each line of the wanted thread a capture is tried, until one is not refused.
# Nothing is watched while no request is open.
#
# A request may come at any moment, also in a signal handler in the middle of this code: there are no locks that it
# could wait for for ever, and every step may be repeated.

_THREAD_RUN = threading.Thread.run.__code__
_BOOTSTRAP = threading.Thread._bootstrap_inner.__code__
_MONITORING = hasattr(sys, "monitoring")
# After a refusal, this many times as long as it took is spent in the program: a bound on the slowdown. Either by the
# clock or by the thread's own time: on a busy machine the clock runs on while the thread waits.
_REFUSAL_PAUSE = 4.0
# Frames that a look at the stack may pass for each line that runs without one: a deep stack is not looked at at every line.
# Counted, not timed: a thread that has to wait for a processor is not to pass by the places where it could be captured.
_LOOK_PER_LINE = 32
# Seconds for which a frame that stood in the way is taken to do so while it stands where it stood.
_MEMORY = 0.02
_MOST_REFUSALS = 8

# Files of the package: what runs in them, or here, is no place to capture.
OWN_FILES = set()
# The open requests. One operation on it is atomic; it is copied to be walked.
_open_requests = {}
# Monitoring tools that were taken for them.
_request_tools = []
# Threads that have a trace function of ours.
_watched_threads = set()


class OpenRequest:
    """A capture that a thread is to make. attempt(frame) makes it, if it can: it gives None when the request is over,
    or the refusal as (text, function, line), function and line being None for a value."""

    __slots__ = ("_looked", "_not_before", "_obstacle", "_own_time", "attempt", "refusals", "thread")

    def __init__(self, thread, attempt):
        self.thread, self.attempt = thread, attempt
        self.refusals = {}
        self._obstacle = None
        self._not_before = self._own_time = 0.0
        self._looked = 0

    def line(self, frame):
        """One line of the thread: captures it, unless something stands in the way."""
        self._looked -= _LOOK_PER_LINE
        if self._looked > 0:
            return
        self._looked = 0
        now = time.perf_counter()
        if now < self._not_before and time.thread_time() < self._own_time or self._obstructed(frame, now):
            return
        own = time.thread_time()
        refusal = self.attempt(frame)
        if refusal is None:
            close_request(self)
            return
        text, function, line = refusal
        if len(self.refusals) < _MOST_REFUSALS:
            self.refusals[text] = None
        if function is None or not self._remember(frame, function, line, now):
            end, own_end = time.perf_counter(), time.thread_time()
            self._not_before = end + _REFUSAL_PAUSE * (end - now)
            self._own_time = own_end + _REFUSAL_PAUSE * (own_end - own)

    def why(self):
        """What stood in the way so far."""
        if not self.refusals:
            return "The thread ran no line of Python since it was asked."
        return "Refused so far: " + "; ".join(self.refusals)

    def _remember(self, frame, function, line, now):
        while frame is not None:
            if frame.f_lineno == line and frame.f_code.co_qualname == function:
                # By number, not by reference: the frame's values are not to live longer.
                self._obstacle = (id(frame), frame.f_lasti, now + _MEMORY)
                return True
            frame = frame.f_back
        return False

    def _obstructed(self, frame, now):
        obstacle, callee = self._obstacle, None
        if frame is not None and frame.f_code is _THREAD_RUN:
            return True
        while frame is not None:
            if frame.f_code.co_filename in OWN_FILES:
                return True
            if frame.f_globals is globals() and frame.f_code is not run.__code__:
                return True
            if frame.f_code is _BOOTSTRAP:  # of a thread, what its run() does is the program
                return callee is None or callee.f_code.co_name != "run"
            if obstacle is not None and id(frame) == obstacle[0] and frame.f_lasti == obstacle[1]:
                return now < obstacle[2]
            callee, frame = frame, frame.f_back
            self._looked += 1
        return False


def open_request(one):
    _open_requests[one] = None
    try:
        update_requests()
    except BaseException:
        _open_requests.pop(one, None)
        raise


def close_request(one):
    """Whether it was open."""
    was_open = _open_requests.pop(one, one) is not one
    if was_open:
        update_requests()
    return was_open


def forget_requests():
    """In the child of a fork: those of the parent are none of its."""
    _open_requests.clear()
    update_requests()


def _request_line(frame):
    """A line is about to run, in any thread."""
    thread = _thread.get_ident()
    for one in tuple(_open_requests):
        if one.thread == thread:
            one.line(frame)


def _on_request_line(code, line):
    _request_line(sys._getframe(1))


def _on_request_jump(code, offset, destination):
    if destination < offset:  # a loop within one line
        _request_line(sys._getframe(1))


def update_requests():
    """Watch if and only if a request is open. May be interrupted by itself anywhere."""
    if _MONITORING:
        if _open_requests and not _request_tools and not _watched_threads:
            _take_request_tool()
        while _request_tools and not _open_requests:
            _give_back_tool(_request_tools.pop())
    wanted = set() if _request_tools else {one.thread for one in tuple(_open_requests)}
    for thread in wanted:
        if watch_thread(thread, _request_line):
            _watched_threads.add(thread)
    for thread in tuple(_watched_threads):
        if thread not in wanted:
            _watched_threads.discard(thread)
            unwatch_thread(thread)


def _take_request_tool():
    monitoring, events = sys.monitoring, sys.monitoring.events
    tool = _free_tool()
    if tool is None:
        return
    _request_tools.append(tool)
    monitoring.register_callback(tool, events.LINE, _on_request_line)
    monitoring.register_callback(tool, events.JUMP, _on_request_jump)
    instrument_all(monitoring.set_events, tool, events.LINE | events.JUMP)


def _give_back_tool(tool):
    monitoring = sys.monitoring
    instrument_all(monitoring.set_events, tool, 0)
    for event in (monitoring.events.LINE, monitoring.events.JUMP):
        monitoring.register_callback(tool, event, None)
    instrument_all(monitoring.free_tool_id, tool)
