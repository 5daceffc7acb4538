"""What a token table in 8 bits does to the embeddings of a tower of XLM-RoBERTa base's size, in float64.

The tower is random, with 4000 rows of tokens from three distributions; both tables run through the same layers, so that
nothing but the table differs. Prints for texts of 3 to 77 tokens the length of the difference of the unit embeddings, its
largest element, and one minus their cosine. `docs/models.md` has the figures. Needs numpy; takes seconds.
"""

import math

import numpy as np

WIDTH, HEADS, LAYERS, MLP, HIDDEN, DIM = 768, 12, 12, 3072, 640, 512
ROWS = 4000
LENGTHS = [3, 6, 12, 12, 24, 77]
ERF = np.vectorize(math.erf)


def int8(table):
    """The table as `weights/README.md` stores it, widened again; rows are neither zero nor extreme."""
    largest = np.abs(table).max(axis=1, keepdims=True)
    scale = (largest / 127).astype(np.float32).astype(np.float64)
    integers = np.clip(np.rint(table / scale), -127, 127)
    return (integers * scale).astype(np.float32).astype(np.float64)


def norm(x):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)


def gelu(x):
    return 0.5 * x * (1 + ERF(x / math.sqrt(2)))


def tower(rng):
    def linear(inputs, outputs):
        return rng.standard_normal((inputs, outputs)) / math.sqrt(inputs), rng.standard_normal(outputs) * 0.02

    shapes = [(WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, MLP), (MLP, WIDTH)]
    blocks = [[linear(*shape) for shape in shapes] for _ in range(LAYERS)]
    hidden, proj = linear(WIDTH, HIDDEN)[0], linear(HIDDEN, DIM)[0]

    def forward(x):
        x = norm(x)
        for (qkv, qkv_bias), (out, out_bias), (fc1, fc1_bias), (fc2, fc2_bias) in blocks:
            heads = (x @ qkv + qkv_bias).reshape(len(x), 3, HEADS, -1).transpose(1, 2, 0, 3)
            scores = heads[0] @ heads[1].transpose(0, 2, 1) / math.sqrt(WIDTH // HEADS)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed = (scores @ heads[2]).transpose(1, 0, 2).reshape(len(x), WIDTH)
            x = norm(x + mixed @ out + out_bias)
            x = norm(x + gelu(x @ fc1 + fc1_bias) @ fc2 + fc2_bias)
        embedding = gelu(x.mean(axis=0) @ hidden) @ proj
        return embedding / np.linalg.norm(embedding)

    return forward


def main():
    rng = np.random.default_rng(1)
    forward = tower(rng)
    tables = {
        "normal": rng.standard_normal((ROWS, WIDTH)) * 0.5,
        "uniform": rng.uniform(-0.5, 0.5, (ROWS, WIDTH)),
        "heavy tails (Student's t, 4)": rng.standard_t(4, (ROWS, WIDTH)) * 0.3,
    }
    position = rng.standard_normal((max(LENGTHS), WIDTH)) * 0.02
    for name, table in tables.items():
        table = table.astype(np.float32).astype(np.float64)
        stored = int8(table)
        off = np.linalg.norm(table - stored, axis=1) / np.linalg.norm(table, axis=1)
        print(f"{name}: rows off by {off.mean():.2%} on average, {off.max():.2%} at most")
        for length in LENGTHS:
            ids = rng.integers(0, ROWS, length)
            a, b = (forward(rows[ids] + position[:length]) for rows in (table, stored))
            print(f"  {length} tokens: {np.linalg.norm(a - b):.2e}, {np.abs(a - b).max():.2e}, 1 - cos {1 - a @ b:.1e}")


if __name__ == "__main__":
    main()
