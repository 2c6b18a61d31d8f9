"""Reading of other people's array files without running what they may contain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import pickle
from typing import Any
import zipfile

import numpy as np

_ALLOWED = {
    ('numpy', 'ndarray'), ('numpy', 'dtype'), ('_codecs', 'encode'),
    ('numpy.core.multiarray', '_reconstruct'), ('numpy._core.multiarray', '_reconstruct'),
    ('numpy.core.multiarray', 'scalar'), ('numpy._core.multiarray', 'scalar'),
    ('numpy.core.numeric', '_frombuffer'), ('numpy._core.numeric', '_frombuffer'),
}  # fmt: skip


class DatasetError(ValueError):
    """A file of a data set is missing, unreadable or not of its published layout."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise DatasetError(f'refused: it names {module}.{name}, and only arrays are allowed')
        return super().find_class(module, name)


def read_pickle(path: Path) -> dict[str, Any]:
    """Read a pickled dictionary of arrays and plain values, of Python 2 or 3.

    Raises:
        DatasetError: Missing, unreadable, not a dictionary, or it holds any other class.
    """
    try:
        with path.open('rb') as file:
            content = _ArrayUnpickler(file, encoding='latin1').load()
    except FileNotFoundError:
        raise DatasetError(f'{path}: no such file') from None
    except Exception as error:  # a corrupt pickle can raise anything
        raise DatasetError(f'{path}: {error or type(error).__name__}') from None
    if not isinstance(content, dict):
        raise DatasetError(f'{path}: must hold a dictionary, got {type(content).__name__}')
    return content


def read_npz(path: Path, keys: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read the named arrays of an npz archive; the others may be anything.

    Raises:
        DatasetError: Missing, unreadable, without one of ``keys``, or with pickled objects there.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            require(archive, keys, path)
            return {key: archive[key] for key in (*keys, *optional) if key in archive}
    except FileNotFoundError:
        raise DatasetError(f'{path}: no such file') from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f'{path}: not a readable npz archive ({error})') from None


def require(content: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> None:
    """Raise ``DatasetError`` where a key is missing."""
    missing = [key for key in keys if key not in content]
    if missing:
        raise DatasetError(
            f'{path}: missing keys {missing}; the published layout has {list(keys)}'
        )


def shaped(value: Any, shape: tuple[int | None, ...], *, name: str, path: Path) -> np.ndarray:
    """Return a finite float64 array of ``shape`` (None = any length).

    Raises:
        DatasetError: It is not; names file, key and both shapes.
    """
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DatasetError(f'{path}: {name} must hold numbers') from None
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ', '.join('N' if n is None else str(n) for n in shape)
        raise DatasetError(f'{path}: {name} must be ({wanted}), got {array.shape}')
    if not np.isfinite(array).all():
        raise DatasetError(f'{path}: {name} must be finite')
    return array
