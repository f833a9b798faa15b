"""What a node may do to the user's terminal: write, move, colour and clear, and nothing that answers or stays.

A terminal also takes commands to read the clipboard, to set its title, or to say something back, which would be typed
into whatever runs next. They begin with other sequences than those that line editing needs, and are left out.
"""

import codecs
import re

ALLOWED = re.compile(
    "[^\x00-\x1f\x7f-\x9f]"  # what is written
    "|[\x07-\x0d]"  # bell, backspace, tab, lines
    "|\x1b\\[[0-9;]*[ABCDEFGHJKPXm@d]"  # moves, erases, inserts, colours
    "|\x1b\\[\\?2004[hl]"  # what is pasted is marked as that
)
UNFINISHED = re.compile("\x1b(?:\\[[0-9;?<=>!]*)?$")
LONGEST_SEQUENCE = 64
SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # as ECMA-48 has them
    "|\x1b[]P^_X](?:[^\x07\x1b\x9c]|\x1b(?!\\\\))*(?:\x07|\x1b\\\\|\x9c)?"  # with a text of their own
    "|\x1b[ -/]*[0-~]?"
    "|[\\s\\S]"
)


class Screen:
    """Takes texts as they come, in pieces, and gives the bytes that may be written to the terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encode = codecs.getincrementalencoder(encoding)("replace").encode
        self._rest = ""

    def show(self, text: str) -> bytes:
        """What to write; a sequence that is not complete waits for the next text."""
        text, self._rest = self._rest + text, ""
        cut = UNFINISHED.search(text)
        if cut is not None and len(text) - cut.start() <= LONGEST_SEQUENCE:
            text, self._rest = text[: cut.start()], text[cut.start() :]
        parts = (found.group() for found in SEQUENCE.finditer(text))
        return self._encode("".join(part for part in parts if ALLOWED.fullmatch(part)))
