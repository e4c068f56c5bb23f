"""Writes the trajectory that tests/optim/adam_a_test.cpp follows: AdamA as algorithm 2 of arXiv:2305.19982 writes it, in
double, over 1,000 batches of 1 to 4 micro-batches of different weights.

    python adam_a.py > trajectory
"""


def gradient(step, micro, element):
    """The sum of a micro-batch, exact in binary."""
    return ((7 * step + 3 * micro + 5 * element + step * micro) % 11 - 4.75) / 4


def weight(step, micro):
    return 1 + (step + micro) % 3


def main(learning_rate=0.01, beta1=0.9, beta2=0.99, epsilon=1e-3, decay=0.01):
    value, m, v = [1.0, -0.5, 0.25], [0.0] * 3, [0.0] * 3
    for step in range(1, 1001):
        micros = range(1 + step % 4)
        total = sum(weight(step, k) for k in micros)
        for i in range(3):
            m[i] *= beta1
            v[i] *= beta2
            for k in micros:
                g = gradient(step, k, i) / total
                m[i] += (1 - beta1) * g
                v[i] += (1 - beta2) * g * g
            value[i] -= learning_rate * decay * value[i]
            root = (v[i] / (1 - beta2**step)) ** 0.5
            value[i] -= learning_rate * (m[i] / (1 - beta1**step)) / (root + epsilon)
        if step in (1, 2, 10, 100, 1000):
            print("{" + f"{step}, " + "{" + ", ".join(repr(x) for x in value) + "}},")


main()
