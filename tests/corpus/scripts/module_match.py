print("before")
a, *rest = pause((1, 2, 3))
match rest:
    case [x, y] if x < y:
        print("then", a, x, y)
del a
try:
    print(a)
except NameError as error:
    print(type(error).__name__)
