"""The arrays that a run has left, read without trusting the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reports.errors import ADVICE, ReportError, unreadable

Arrays = Mapping[str, npt.NDArray[np.generic]]


@contextmanager
def arrays_of(path: Path) -> Iterator[Arrays]:
    """The arrays of an .npz file by name; whatever a damaged one raises is told in one line."""
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except ReportError:
        raise
    except OSError as error:
        if error.strerror is None:
            raise _damaged(path) from None
        raise unreadable(path, error) from None
    except Exception:
        raise _damaged(path) from None


def _damaged(path: Path) -> ReportError:
    return ReportError(f"{path}:1:1: this is no archive of arrays as a run writes it; {ADVICE}")
