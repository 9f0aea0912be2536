print("before")
exec("x = 1\nfor i in range(3):\n    x += pause(i, i == 1)\nprint('inside', x)")
print("then", x, i)
