"""Resumes in a fresh process what scenes.py captured, and compares: resume.py FILE, with its output."""

import sys

import host

VALUE = 40


def main(path):
    wrong = 0
    host.mode(False, VALUE, "?")
    for line in open(path):
        name, expected = line.rstrip("\n").split("\t")
        got = host.resume(name, VALUE)
        if repr(got) != expected:
            print(f"{name}: resumed, it returned {got!r}; {expected} was expected", file=sys.stderr)
            wrong += 1
    try:
        print(host.resume("cold in_list", LookupError("thrown")), file=sys.stderr)
        wrong += 1
    except LookupError as e:
        wrong += str(e) != "thrown"
    if host.resume("cold with_raises", KeyError("thrown")) != ["in", "KeyError"]:
        wrong += 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
