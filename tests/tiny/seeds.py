"""Sources of chance for tests."""

import numpy as np


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
