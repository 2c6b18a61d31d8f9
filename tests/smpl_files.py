"""Files in the SMPL format with random contents, for tests."""

from functools import cache
import pickle

import numpy as np

from metrichmsr_ros.body.joints import PARENTS
from metrichmsr_ros.body.model_file import SMPL_SURFACE_POINTS


@cache
def random_arrays(num_vertices):
    rng = np.random.default_rng(0)
    weights = rng.random((num_vertices, 24)) ** 8
    regressor = rng.random((24, num_vertices)) ** 20
    return {
        'v_template': rng.normal(size=(num_vertices, 3)),
        'shapedirs': 0.02 * rng.normal(size=(num_vertices, 3, 10)),
        'posedirs': 0.001 * rng.standard_normal((num_vertices, 3, 207), np.float32),
        'weights': weights / weights.sum(1, keepdims=True),
        'J_regressor': regressor / regressor.sum(1, keepdims=True),
        'kintree_table': np.array([(2**32 - 1, *PARENTS[1:]), range(24)], np.uint32),
        'f': rng.integers(0, num_vertices, (40, 3)).astype(np.uint32),
    }


def body_arrays(num_vertices=6890):
    """Return random arrays in the schema of an official SMPL file."""
    return dict(random_arrays(num_vertices))


def small_arrays(**changes):
    arrays = body_arrays(50)
    names = sorted(SMPL_SURFACE_POINTS)
    arrays |= {'surface_names': np.array(names), 'surface_vertices': np.arange(len(names))}
    arrays |= changes
    return {key: value for key, value in arrays.items() if value is not None}


def save_npz(path, arrays):
    np.savez(path, **arrays)
    return path


def save_pickle(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path
