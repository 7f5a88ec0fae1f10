"""Perfetto's schema, which comes with the package `perfetto`, an extra."""

from __future__ import annotations

import importlib
from typing import Any

from ...errors import BadInput


def schema() -> Any:
    """The module of its messages (perfetto_trace.proto). Raises BadInput where the package is not there."""
    try:
        return importlib.import_module("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    except ImportError:
        raise BadInput("Perfetto: the package perfetto is not there: pip install 'rcuactors[perfetto]'") from None
