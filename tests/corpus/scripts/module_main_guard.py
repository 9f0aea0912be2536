print("before")


def main(argument):
    for i in range(4):
        if pause(i, i == 2) == 3:
            return argument, i


if __name__ == "__main__":
    import math

    print("then", main("x"), math.floor(2.5))
