"""After children.py and hop.py: the fresh process. It imports torpor, and forks a child for every snapshot that it resumes."""

for line in sys.stdin:
    key, *further = json.loads(line)
    if further:
        report(**in_child(lambda: hop(torpor.adopt(key).resume, *further)))
    else:
        report(**in_child(lambda: torpor.adopt(key).resume()))
