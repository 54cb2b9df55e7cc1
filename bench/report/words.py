"""Numbers in words: the same way in every table of the page."""

from __future__ import annotations


def number(value: float) -> str:
    """Three digits that count: 0.253, 4.31, 87.2, 12,300."""
    if value and abs(value) < 1000:
        text = f"{value:.3g}"
        return f"{value:.3f}".rstrip("0").rstrip(".") if "e" in text else text
    digits = len(str(int(abs(value))))
    return f"{round(value, 3 - digits):,.0f}"
