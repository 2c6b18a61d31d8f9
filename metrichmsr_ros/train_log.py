"""The log of a training run: CSV, one row at a time, that survives a crash and a resume."""

from __future__ import annotations

from collections.abc import Mapping
import csv
from pathlib import Path


class CsvLog:
    """Appends rows to a CSV file; the first row's keys are its columns.

    Args:
        path: The file; its folder exists.
        after_step: Rows of later steps are dropped: a resumed run writes them again.
    """

    def __init__(self, path: Path, *, after_step: int = 0) -> None:
        self._path = path
        kept = [row for row in read_log(path) if row['step'] <= after_step]
        path.unlink(missing_ok=True)
        for row in kept if after_step else []:
            self.write(row)

    def write(self, row: Mapping[str, float]) -> None:
        """Append one row, and its header where it is the first."""
        is_first = not self._path.exists()
        with self._path.open('a', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if is_first:
                writer.writeheader()
            writer.writerow({key: f'{value:.6g}' for key, value in row.items()})


def read_log(path: Path) -> list[dict[str, float]]:
    """Return the rows of a log, column → value; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline='', encoding='utf-8') as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
