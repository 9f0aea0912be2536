"""After children.py: the fresh process. It imports torpor, and forks a child for every snapshot that it resumes."""

import torpor

for line in sys.stdin:
    key = json.loads(line)
    report(**in_child(lambda: torpor.adopt(key).resume()))
