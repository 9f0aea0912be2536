print("before")
total = eval("[1, pause(2)]") + [3]
print("then", total)
