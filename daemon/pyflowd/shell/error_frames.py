"""The frames that a worker tells of a failed node, checked for shape and size. Opaque texts: nobody here reads them."""

from typing import Any

from pyflowd.shell.shapes import Header, objects_in, text_in, whole_in
from pyflowd.worker_side.frames import FrameError
from pyflowd_client.protocol.errors import ErrorFrame

FRAMES_MOST = 100
LOCALS_MOST = 100
LONGEST_TEXT = 2000


def frames_in(error: Header) -> tuple[ErrorFrame, ...] | None:
    """What `error` says of the node's frames, if anything; FrameError when that is not their shape."""
    if "frames" not in error:
        return None
    items = objects_in(error, "frames")
    if len(items) > FRAMES_MOST:
        raise FrameError("too many frames of an error")
    return tuple(
        ErrorFrame(
            title=text_in(item, "title")[:LONGEST_TEXT],
            line=whole_in(item, "line"),
            function=text_in(item, "function")[:LONGEST_TEXT],
            source=text_in(item, "source")[:LONGEST_TEXT],
            locals=_locals(item.get("locals")),
        )
        for item in items
    )


def _locals(texts: Any) -> dict[str, str]:
    if type(texts) is not dict or len(texts) > LOCALS_MOST:
        raise FrameError("the variables of a frame are no short object")
    if not all(type(text) is str for text in texts.values()):
        raise FrameError("a variable is not shown by a text")
    return {name[:LONGEST_TEXT]: text[:LONGEST_TEXT] for name, text in texts.items()}
