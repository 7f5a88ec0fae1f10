"""Figures of a table as people read them."""

from __future__ import annotations

from ..report.units import duration, size
from .costs import Number, Spread, Unit


def shown(unit: str, value: Number) -> str:
    """One number with its unit; '-' when there is none."""
    if value is None:
        return "-"
    if unit == Unit.PERCENT:
        return f"{value:.2f}".rstrip("0").rstrip(".") + " %"
    if unit == Unit.NS:
        return duration(value) if isinstance(value, int) else f"{value:,.1f} ns"
    if unit == Unit.BYTES:
        return size(round(value))
    return f"{value:,}"


def spread_shown(unit: str, spread: Spread, *, several: bool) -> str:
    """The median, with several seeds also what lies furthest apart."""
    text = shown(unit, spread.median)
    low, high = shown(unit, spread.low), shown(unit, spread.high)
    return text if not several or low == high else f"{text} ({low} - {high})"
