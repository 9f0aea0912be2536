print("before")
items = {"a": [1]}


def work(n):
    items["a"].append(n)
    if n == 3:
        pause()
    return sum(items["a"])


total = [work(n) for n in range(5)]
class Kept:
    total = total


def after():
    global total
    total = Kept.total + [items["a"] is Kept.items]
    return total


Kept.items = items["a"]
print("then", after(), __name__, sorted(k for k in globals() if k in ("items", "Kept", "n")))
