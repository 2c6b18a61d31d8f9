"""Strict reading of SMPL-format files: ``.npz``, and the official ``.pkl`` without chumpy.

A pickle can run any code that it names, so only the array classes that the official files use are
let through; those of chumpy and scipy are replaced by stand-ins that only hold their state. Of
chumpy's expressions, the two kinds that occur in official files are evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
import pickle
from typing import Any, BinaryIO
import zipfile
import zlib

import numpy as np

from metrichmsr_ros.body.joints import JOINT_INDEX, NUM_JOINTS, NUM_SHAPE, PARENTS

# Limb landmarks, named as the SMPL joints beside them; the hips' landmarks are their joints.
LIMB_NAMES: tuple[str, ...] = (
    'left_knee', 'right_knee', 'left_ankle', 'right_ankle', 'left_shoulder', 'right_shoulder',
    'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist',
)  # fmt: skip

# Vertices of the official SMPL topology that carry a name, as published with the `smplx` package.
SMPL_SURFACE_POINTS: dict[str, int] = {
    'nose': 332, 'left_eye': 2800, 'right_eye': 6260, 'left_ear': 583, 'right_ear': 4071,
    'head_top': 411, 'left_heel': 3387, 'right_heel': 6787, 'left_big_toe': 3216,
    'right_big_toe': 6617, 'left_index_tip': 2319, 'right_index_tip': 5782,
    'left_pinky_tip': 2673, 'right_pinky_tip': 6133, 'left_thumb_tip': 2746,
    'right_thumb_tip': 6191,
}  # fmt: skip

_ALLOWED_CLASSES = {
    ('numpy', 'ndarray'), ('numpy', 'dtype'),
    ('numpy.core.multiarray', '_reconstruct'), ('numpy._core.multiarray', '_reconstruct'),
    ('numpy.core.multiarray', 'scalar'), ('numpy._core.multiarray', 'scalar'),
    ('numpy.core.numeric', '_frombuffer'), ('numpy._core.numeric', '_frombuffer'),
    ('_codecs', 'encode'), ('copy_reg', '_reconstructor'), ('copyreg', '_reconstructor'),
    ('__builtin__', 'object'), ('builtins', 'object'),
}  # fmt: skip

_MAX_BYTES = 2**30  # thirty times the official files
_SPAN = (0.2, 20.0)  # m; in other units nobody is: in centimetres and millimetres it is more


class BodyModelError(ValueError):
    """A body model file is missing, unreadable or breaks a rule of the SMPL format."""


@dataclass(frozen=True)
class ModelArrays:
    """The arrays of an SMPL-format file, checked.

    Attributes:
        name: Name of the body.
        v_template: Mean surface in the T-pose, (V, 3) float64, metres, y up, z forward, x left.
        shapedirs: Shape components, (V, 3, 10) float64, metres per standard deviation.
        posedirs: Pose correctives, (V, 3, 207) float64, metres; None where they are zero.
        weights: Skinning weights, (V, 24) float64, rows sum to one.
        j_regressor: Joints from the T-pose surface, (24, V) float64.
        limb_regressor: Limb landmarks of :data:`LIMB_NAMES` from the surface, (10, V) float64;
            what people mark in images, which the joints of a rig need not be.
        faces: Triangles, (F, 3) int32.
        surface_points: Named vertices, name → vertex index.
    """

    name: str
    v_template: np.ndarray
    shapedirs: np.ndarray
    posedirs: np.ndarray | None
    weights: np.ndarray
    j_regressor: np.ndarray
    limb_regressor: np.ndarray
    faces: np.ndarray
    surface_points: Mapping[str, int] = field(default_factory=dict)


def read_model_file(path: Path) -> ModelArrays:
    """Read and check an SMPL-format file.

    Args:
        path: ``.npz`` or ``.pkl`` file.

    Returns:
        Its arrays.

    Raises:
        BodyModelError: The file is missing, unreadable, holds forbidden objects, or its arrays
            break a rule; the message names file and rule.
    """
    if not path.is_file():
        raise BodyModelError(f'{path}: no such file; give an SMPL-format .npz or .pkl file')
    if path.suffix not in ('.npz', '.pkl'):
        raise BodyModelError(f'{path}: the suffix must be .npz or .pkl, got {path.suffix!r}')
    content = _read_npz(path) if path.suffix == '.npz' else _read_pickle(path)
    try:
        return _checked(content, name=path.stem)
    except BodyModelError as error:
        raise BodyModelError(f'{path}: {error}') from None


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > _MAX_BYTES:  # a few megabytes may unpack to all of the memory
            raise BodyModelError(f'{path}: unpacks to {size} bytes, more than {_MAX_BYTES}')
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except BodyModelError:
        raise
    except (
        OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        raise BodyModelError(f'{path}: not a readable npz archive ({error})') from None


def _read_pickle(path: Path) -> dict[str, Any]:
    try:
        with path.open('rb') as file:
            content = _ArrayUnpickler(file).load()
    except BodyModelError as error:
        raise BodyModelError(f'{path}: {error}') from None
    except Exception as error:  # a corrupt pickle can raise anything
        raise BodyModelError(
            f'{path}: truncated or not a pickle ({type(error).__name__}: {error})'
        ) from None
    if not isinstance(content, dict):
        raise BodyModelError(f'{path}: must hold a dict, got {type(content).__name__}')
    return content


class _ChumpyNode:
    """Stands for a chumpy object of an official file and evaluates to its array."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if 'x' in self.state:
            array = np.asarray(self.state['x'])
        elif {'a', 'idxs', 'preferred_shape'} <= self.state.keys():
            picked = np.asarray(self.state['a']).ravel()[np.asarray(self.state['idxs'])]
            array = picked.reshape(self.state['preferred_shape'])
        else:
            raise BodyModelError(f'chumpy object with unknown state {sorted(self.state)}')
        return array.astype(dtype) if dtype is not None else array


class _SparseMatrix:
    """Stands for a scipy sparse matrix, so that no scipy code runs on foreign state."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        shape = self.state['_shape']
        dense = np.zeros(shape)
        if 'indptr' in self.state:
            columns = np.repeat(np.arange(shape[1]), np.diff(self.state['indptr']))
            cells = (self.state['indices'], columns)
        else:
            cells = (self.state['row'], self.state['col'])
        np.add.at(dense, cells, self.state['data'])
        return dense.astype(dtype) if dtype is not None else dense


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain containers, and refuses every other class."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding='latin1')

    def find_class(self, module: str, name: str) -> Any:
        package = module.partition('.')[0]
        if package == 'chumpy':
            return _ChumpyNode
        if package == 'scipy' and name in ('csc_matrix', 'coo_matrix'):
            return _SparseMatrix
        if (module, name) in _ALLOWED_CLASSES:
            return super().find_class(module, name)
        raise BodyModelError(
            f'refused: the pickle names {module}.{name}, and only NumPy arrays, chumpy arrays and '
            'scipy.sparse csc/coo matrices are allowed'
        )


def _checked(content: Mapping[str, Any], *, name: str) -> ModelArrays:
    required = ('v_template', 'shapedirs', 'weights', 'J_regressor', 'kintree_table', 'f')
    missing = [key for key in required if key not in content]
    if missing:
        raise BodyModelError(f'missing keys {missing}; an SMPL-format file has {list(required)}')
    v_template = _array(content, 'v_template', (None, 3))
    num_vertices = len(v_template)
    span = float(np.ptp(v_template, axis=0).max())
    if not _SPAN[0] <= span <= _SPAN[1]:
        raise BodyModelError(
            f'v_template spans {span:g}: it must be in metres, {_SPAN[0]} to {_SPAN[1]}'
        )
    shapedirs = _array(content, 'shapedirs', (num_vertices, 3, None))
    if shapedirs.shape[2] < NUM_SHAPE:
        raise BodyModelError(
            f'shapedirs must have at least {NUM_SHAPE} components, got {shapedirs.shape[2]}'
        )
    posedirs = None
    if 'posedirs' in content:
        posedirs = _array(content, 'posedirs', (num_vertices, 3, 9 * (NUM_JOINTS - 1)))
    weights = _array(content, 'weights', (num_vertices, NUM_JOINTS))
    if weights.min() < -1e-6 or np.abs(weights.sum(1) - 1).max() > 1e-3:
        raise BodyModelError('weights must be non-negative with rows that sum to one')
    j_regressor = _array(content, 'J_regressor', (NUM_JOINTS, num_vertices))
    _check_tree(_array(content, 'kintree_table', (2, NUM_JOINTS)))
    faces = _array(content, 'f', (None, 3))
    if faces.min() < 0 or faces.max() >= num_vertices or (faces != np.floor(faces)).any():
        raise BodyModelError(f'f must hold vertex indices 0..{num_vertices - 1}')
    return ModelArrays(
        name=str(content.get('name', name)),
        v_template=v_template,
        shapedirs=shapedirs[:, :, :NUM_SHAPE],
        posedirs=posedirs if posedirs is not None and posedirs.any() else None,
        weights=weights,
        j_regressor=j_regressor,
        limb_regressor=_limb_regressor(content, j_regressor),
        faces=faces.astype(np.int32),
        surface_points=_surface_points(content, num_vertices),
    )


def _array(content: Mapping[str, Any], key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    try:
        array = np.asarray(content[key])
        if np.iscomplexobj(array):
            raise TypeError('it is complex')
        array = array.astype(np.float64)
    except (TypeError, ValueError, KeyError, IndexError, MemoryError) as error:
        raise BodyModelError(f'{key} is not an array of numbers ({error})') from None
    wrong = array.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(array.shape, shape, strict=False)
    )
    if wrong or array.size == 0:
        wanted = ', '.join('any' if want is None else str(want) for want in shape)
        raise BodyModelError(f'{key} must have shape ({wanted}), got {array.shape}')
    if not np.isfinite(array).all():
        raise BodyModelError(f'{key} must be finite, got NaN or infinity')
    return array


def _check_tree(kintree_table: np.ndarray) -> None:
    parents = tuple(kintree_table[0, 1:].astype(np.int64))
    if parents != PARENTS[1:]:
        raise BodyModelError(f'kintree_table must be the SMPL tree {PARENTS[1:]}, got {parents}')


def _limb_regressor(content: Mapping[str, Any], j_regressor: np.ndarray) -> np.ndarray:
    if 'limb_regressor' in content:
        return _array(content, 'limb_regressor', (len(LIMB_NAMES), j_regressor.shape[1]))
    return j_regressor[[JOINT_INDEX[name] for name in LIMB_NAMES]]


def _surface_points(content: Mapping[str, Any], num_vertices: int) -> dict[str, int]:
    if 'surface_names' not in content:
        if num_vertices != 6890:
            raise BodyModelError(
                f'a body of {num_vertices} vertices (not the 6890 of SMPL) must name its surface '
                'points in surface_names and surface_vertices'
            )
        return dict(SMPL_SURFACE_POINTS)
    names = [str(name) for name in np.asarray(content['surface_names'])]
    missing = sorted(SMPL_SURFACE_POINTS.keys() - set(names))
    if missing:
        raise BodyModelError(f'surface_names lacks {missing}')
    vertices = _array(content, 'surface_vertices', (len(names),)).astype(np.int64)
    if vertices.min() < 0 or vertices.max() >= num_vertices:
        raise BodyModelError(f'surface_vertices must be 0..{num_vertices - 1}')
    return dict(zip(names, vertices.tolist(), strict=True))
