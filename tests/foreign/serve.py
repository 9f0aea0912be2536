"""The process in which jobs run: a line of JSON in, one out. It is `__main__` of the jobs, with nothing of its own in it."""

import sys

sys.path.insert(0, sys.argv[1])
__import__("driver").serve()
