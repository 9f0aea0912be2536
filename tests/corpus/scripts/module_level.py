print("before")
total, names = 0, []
for letter, number in zip("abc", range(10)):
    total += pause(number, letter == "b") * 10
    names.append(letter)


def helper(x):
    return x + total, sorted(names)


print("then", helper(1), __name__)
