"""Label images that are hard to outline: each a function of a random generator and a shape."""

from itertools import product

import numpy as np


def noise(chance, shape):
    """Pixels by themselves, mostly: saddles of every kind."""
    n_labels = chance.integers(1, 6)
    return chance.integers(0, n_labels, shape, endpoint=True) * (chance.random(shape) < 0.9)


def confluent(chance, shape):
    """Noise without background."""
    return chance.integers(1, chance.integers(2, 5), shape, endpoint=True)


def blocks(chance, shape):
    """Enlarged noise, some of its pixels changed: saddles, steps and longer sides."""
    side = chance.integers(2, 5)
    small = noise(chance, [-(-n // side) for n in shape])
    image = np.kron(small, np.ones((side, side), int))[: shape[0], : shape[1]]
    return np.where(chance.random(shape) < 0.05, noise(chance, shape), image)


def combs(chance, shape):
    """Teeth that reach into one another."""
    x = np.indices(shape)[1]
    tooth = chance.integers(1, 4)
    image = np.where(x // tooth % 2, 1, chance.choice([0, 2]))
    image[: chance.integers(1, 3)] = 1
    image[-chance.integers(1, 3) :] = chance.choice([0, 2])
    return image.T if chance.random() < 0.5 and shape[0] == shape[1] else image


def spirals(chance, shape):
    """An arm wound around the middle, of pixels that meet by sides and by corners."""
    y, x = np.indices(shape) - chance.uniform(0.3, 0.7, (2, 1, 1)) * np.reshape(shape, (2, 1, 1))
    turn = np.arctan2(y, x) / (2 * np.pi) * chance.choice([-1, 1])
    arm = np.hypot(y, x) / chance.uniform(2.5, 6) + turn
    return 1 + np.floor(arm * 2).astype(int) % chance.choice([2, 3]) - chance.integers(0, 2)


def checkers(chance, shape):
    """Every corner a saddle, of two or three labels, in squares or diagonal lines."""
    y, x = np.indices(shape)
    kinds, side = chance.choice([2, 3]), chance.choice([1, 1, 2, 3])
    return (y // side + x // side) % kinds + chance.integers(0, 2)


def nested(chance, shape):
    """Rings in rings, square, round or set on a corner."""
    y, x = np.indices(shape) - np.reshape(chance.integers(shape), (2, 1, 1))
    away = [np.maximum(abs(y), abs(x)), np.hypot(y, x), abs(y) + abs(x)][chance.integers(3)]
    width = chance.uniform(1, 3)
    return np.floor(away / width).astype(int) % chance.integers(2, 4)


def scattered(chance, shape):
    """Labels in several parts, some of one pixel."""
    image = np.zeros(shape, int)
    for _ in range(chance.integers(3, 12)):
        r, c = chance.integers(shape)
        h, w = chance.integers(1, 6, 2)
        image[r : r + h, c : c + w] = chance.integers(0, 4)
    return image


def cells(chance, shape):
    """What is nearest to one of some points, with gaps or without."""
    n = chance.integers(2, 3 + np.prod(shape) // 40)
    y, x = np.indices(shape)
    at = chance.uniform(0, 1, (n, 2)) * shape
    away = np.hypot(y[..., None] - at[:, 0], x[..., None] - at[:, 1])
    nearest, second = np.sort(away, axis=2)[..., :2].transpose(2, 0, 1)
    gap = chance.choice([0, 1, 2])
    return np.where(second - nearest < gap, 0, chance.permutation(n)[away.argmin(axis=2)] + 1)


def lines(chance, shape):
    """Straight edges of any slope, long enough for long chords."""
    y, x = np.indices(shape)
    image = np.zeros(shape, int)
    for label in range(1, chance.integers(2, 5)):
        slope, height = chance.uniform(-1.2, 1.2), chance.uniform(0, shape[0])
        image[y > height + slope * x] = label
    return image


PATTERNS = [noise, confluent, blocks, combs, spirals, checkers, nested, scattered, cells, lines]


def draw_pattern(seed, largest=24):
    """One of them, by a number."""
    chance = np.random.default_rng(seed)
    shape = chance.integers(1, largest, 2, endpoint=True)
    return PATTERNS[chance.integers(len(PATTERNS))](chance, shape)


def all_saddles(around):
    """Two by two pixels of the labels 0 to 3 in every arrangement, with a margin of `around`."""
    image = np.full((48, 48), around)
    for k, square in enumerate(product(range(4), repeat=4)):
        r, c = 3 * (k // 16), 3 * (k % 16)
        image[r : r + 2, c : c + 2] = np.reshape(square, (2, 2))
    return np.pad(image, (1, 0), constant_values=around)
