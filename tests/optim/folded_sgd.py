"""Writes the trajectory that tests/optim/folded_sgd_test.cpp follows: SGD with momentum as torch.optim.SGD writes it, in
double, over 1,000 batches of 1 to 4 micro-batches of different weights.

    python folded_sgd.py > trajectory
"""


def gradient(step, micro, element):
    """The sum of a micro-batch, exact in binary."""
    return ((7 * step + 3 * micro + 5 * element + step * micro) % 11 - 4.75) / 4


def weight(step, micro):
    return 1 + (step + micro) % 3


def main(learning_rate=0.01, momentum=0.9, decay=0.01):
    value, velocity = [1.0, -0.5, 0.25], [0.0] * 3
    for step in range(1, 1001):
        micros = range(1 + step % 4)
        total = sum(weight(step, k) for k in micros)
        for i in range(3):
            g = sum(gradient(step, k, i) for k in micros) / total + decay * value[i]
            velocity[i] = momentum * velocity[i] + g
            value[i] -= learning_rate * velocity[i]
        if step in (1, 2, 10, 100, 1000):
            print("{" + f"{step}, " + "{" + ", ".join(repr(x) for x in value) + "}},")


main()
