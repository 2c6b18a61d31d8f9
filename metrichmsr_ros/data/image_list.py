"""JSON files (schema 1) that say something about each of a list of images."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any, Protocol, TypeVar

SCHEMA = 1


class _OfImage(Protocol):
    @property
    def file(self) -> str: ...


_Image = TypeVar('_Image', bound=_OfImage)


def read_images(
    path: Path, this_has: str, parse: Callable[[dict[str, Any]], _Image]
) -> tuple[dict[str, Any], list[_Image]]:
    """Read a file.

    Args:
        path: The file.
        this_has: What it should be and the verb, for messages, such as 'an index has'.
        parse: Makes one image of its entry; may raise what a wrong entry makes it raise.

    Returns:
        The file's whole object, and its images in its order.

    Raises:
        ValueError: Not JSON, or against the schema; the message names the file, entry and rule.
        OSError: The file cannot be opened.
    """
    document = _read_object(path)
    entries = document.get('images')
    if document.get('schema') != SCHEMA or not isinstance(entries, list):
        raise ValueError(
            f'{path}: {this_has} "schema": {SCHEMA} and a list "images", '
            f'not "schema": {document.get("schema")!r}'
        )
    parsed: dict[str, _Image] = {}
    for number, entry in enumerate(entries):
        try:
            image = parse(entry)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            name = entry.get('file', '?') if isinstance(entry, dict) else '?'
            reason = f'has no {error}' if isinstance(error, KeyError) else str(error)
            raise ValueError(f'{path}: images[{number}] ({name}) {reason}') from error
        if image.file in parsed:
            raise ValueError(f'{path}: the image {image.file} appears more than once')
        parsed[image.file] = image
    return document, list(parsed.values())


def _read_object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    if not isinstance(document, dict):
        raise ValueError(
            f'{path}: the top of the file is a {type(document).__name__}, not an object'
        )
    return document
