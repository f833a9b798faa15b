"""Values, times and texts as people read them."""

import json
from typing import Any

LONGEST_VALUE = 2000


def shown_value(value: Any) -> str:
    """A value as JSON on one line; what is too long is cut, with a note."""
    if isinstance(value, dict) and value.keys() == {"$value"} and isinstance(value["$value"], dict):
        return _shown_note(value["$value"])
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:  # an integer with more digits than Python writes
        return "(an integer too long to show; --json gives it)"
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}... ({len(text):,} characters; --json gives them all)"


def _shown_note(note: dict[str, Any]) -> str:
    preview = note.get("preview")
    described = f"{note.get('type', 'value')}, {shown_size(note.get('size_bytes', 0))}"
    return f"({described}: {preview})" if preview else f"({described}; --max-value all gives it)"


def shown_size(size_bytes: int) -> str:
    """`12.3 MB`."""
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"


def shown_time(duration_s: float) -> str:
    """`0.31 s`, `2 min 5 s`, `1 d 2 h`: the two largest units."""
    if duration_s < 60:
        return f"{duration_s:.2g} s" if duration_s < 1 else f"{duration_s:.1f} s"
    parts = []
    left = int(duration_s)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def counted(count: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shown_age(age_s: float) -> str:
    """`3 days ago`: the largest unit, for people who look back."""
    for unit, length in (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60)):
        if age_s >= length:
            return f"{counted(int(age_s // length), unit)} ago"
    return "just now"


def several_lines(text: str) -> str:
    """A text of others, with its lines, that cannot move the cursor."""
    return "\n".join(map(one_line, text.split("\n")))


def one_line(text: str) -> str:
    """A title that cannot move the cursor."""
    return "".join(char if char.isprintable() else "?" for char in text)
