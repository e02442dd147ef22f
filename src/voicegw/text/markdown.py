"""Takes the marks of Markdown out of a text, so that its words alone are spoken.

Parsers of Markdown at hand (markdown-it-py) give lines for blocks and nothing for what is inside them, and read
``a<b and b>c`` as HTML; to say where each spoken word stood, and to leave prose alone, the marks are scanned for here.
"""

from __future__ import annotations

import re

from voicegw.text.emoji import emoji_edits
from voicegw.text.inline import InlineScanner, label_key
from voicegw.text.spans import Edit, MappedText, skip_blanks

_EOL = r"(?=[\r\n]|\Z)"
_LINE = re.compile(r"([^\r\n]*+)(?:\r\n?|\n)?")
_QUOTES = re.compile(r"(?:[ \t]*+>(?![\d=:._(,;)<-])[ \t]?)++")
_RULE = re.compile(rf"[ \t]*+([-*_=])[ \t]*+(?:\1[ \t]*+){{2,}}+{_EOL}")
_BULLETS = re.compile(r"(?:[ \t]*+[-*+\u2022\u25e6\u2023\u25aa][ \t]++(?=\S)(?:\[[ xX]\][ \t]++)?)++")
_NUMBER = re.compile(r"[ \t]*+\d{1,9}[.)][ \t]")
_HEADING = re.compile(r"[ \t]*+#{1,6}[ \t]++(?=\S)")
_FENCE = re.compile(rf"[ \t]*+(?:(`{{3,}}+)[^`\r\n]*+|(~{{3,}}+)[ \t]*+[\w+#.-]*+[ \t]*+){_EOL}")
_FENCE_END = re.compile(rf"[ \t>]*+(`{{3,}}+|~{{3,}}+)[ \t]*+{_EOL}")
_FOOTNOTE = re.compile(r"[ \t]*+\[\^[^\s\[\]]{1,64}+\]:[ \t]*+")
_DEFINITION = re.compile(
    r"[ \t]*+\[(?!\^)([^\[\]\r\n]{1,100}+)\]:[ \t]*+<?(?:[a-z][a-z0-9+.-]{1,20}:(?=\S)|www\.|[/#])\S*+"
    rf"[ \t]*+(?:\"[^\"\r\n]*+\"|'[^'\r\n]*+'|\([^()\r\n]*+\))?[ \t]*+{_EOL}",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"[ \t]*+<!--")
_PIPE = re.compile(r"\\.|\|")
_ROW_PIPES = 3
"""Pipes from which a line that begins and ends with one is a row, whatever stands around it."""


def unmarked(source: MappedText) -> MappedText:
    """Give a text without its marks of Markdown, for a listener; linear in its length.

    - Gone are the marks of emphasis, headings, bullets, quotes, tables and rules, HTML tags and comments, footnote
      marks, definitions of links, emoji. A numbered item keeps its number, a footnote its text.
    - Of a link its text stays, of an image its description, of a bare URL its host (without ``www.``).
    - Code stays, inline or between fences, without the fences and the name of its language; inside nothing else is
      taken for a mark. A fence that is never closed reaches to the end, as in Markdown.
    - The cells of a table's row are divided by commas.
    - Character references (``&amp;``) become their characters, and escaped marks lose the backslash.

    What only looks like a mark stays: ``2 * 3``, ``snake_case``, ``a<b``, ``#1``, ``*args``. Where a text means one
    thing in Markdown and another in prose, and nothing tells which, prose wins.
    """
    blocks = _Blocks(source.text)
    lines = source.edited(blocks.read())
    scanner = InlineScanner(lines.text, blocks.definitions)
    for start, end in blocks.paragraphs:
        scanner.scan(start, end)
    words = lines.edited(scanner.edits())
    return words.edited(emoji_edits(words.text))


class _Blocks:
    """One walk over the lines of a text.

    ``paragraphs`` are spans of the edited text in which emphasis and the like may begin and end, ``definitions`` the
    labels of the links that are defined anywhere.
    """

    def __init__(self, text: str) -> None:
        self.paragraphs: list[tuple[int, int]] = []
        self.definitions: set[str] = set()
        self._text = text
        self._edits: list[Edit] = []
        self._shift = 0  # how far the edits so far have moved what follows
        self._opened: int | None = None
        self._fence = ""
        self._quoted = False
        self._table = False
        self._comments = True

    def read(self) -> list[Edit]:
        """Walk over the whole text once, and give the edits that take out what is not inside of a line."""
        at = 0
        while at < len(self._text):
            at = self._line(at)
        self._close(at)
        return self._edits

    def _line(self, start: int) -> int:
        """Read the line that begins at ``start``, and give where to go on."""
        found = _LINE.match(self._text, start)
        stop, end = (found.end(1), found.end()) if found else (start, start)
        if self._fence:
            return self._code(start, end)
        if not self._text[start:stop].strip():
            self._close(start)
            self._table = False
            return end
        if (after := self._comment(start)) is not None:
            return after
        return self._marked(start, stop, end)

    def _code(self, start: int, end: int) -> int:
        found = _FENCE_END.match(self._text, start)
        if found and found[1].startswith(self._fence):
            self._fence = ""
            self._edit(start, end)
        elif self._quoted and (quotes := _QUOTES.match(self._text, start)):
            self._edit(start, quotes.end())
        return end

    def _comment(self, start: int) -> int | None:
        """Take out a comment that begins a line, over as many lines as it has; None where there is none."""
        if not (self._comments and _COMMENT.match(self._text, start)):
            return None
        stop = self._text.find("-->", start)
        if stop < 0:
            self._comments = False  # nor is there an end for a later one, so that none is looked for again
            return None
        self._close(start)
        rest = _LINE.match(self._text, stop + 3)
        end = rest.end() if rest and not rest[1].strip() else skip_blanks(self._text, stop + 3)
        self._edit(start, end)
        return end

    def _marked(self, start: int, stop: int, end: int) -> int:
        """Read a line with words in it."""
        quotes = _QUOTES.match(self._text, start)
        at = quotes.end() if quotes else start
        if _RULE.match(self._text, at):
            return self._drop(start, end)
        bullets = _BULLETS.match(self._text, at)
        at = bullets.end() if bullets else at
        if fence := _FENCE.match(self._text, at):
            self._fence, self._quoted = fence[1] or fence[2], quotes is not None
            return self._drop(start, end)
        if definition := _DEFINITION.match(self._text, at):
            self.definitions.add(label_key(definition[1]))
            return self._drop(start, end)
        if bullets:
            self._close(start)
        return self._worded(start, at, stop, end)

    def _worded(self, start: int, at: int, stop: int, end: int) -> int:
        """Read a line whose words are spoken, from ``at`` on."""
        if heading := _HEADING.match(self._text, at) or _FOOTNOTE.match(self._text, at):
            self._open(start, heading.end())
            self._closing_marks(heading.end(), stop)
            self._close(stop)
        elif self._in_table(at, stop, end):
            if _dashes(self._text[at:stop]):
                return self._drop(start, end)
            self._close(start)
            self._row(start, at, stop)
        else:
            if _NUMBER.match(self._text, at):
                self._close(start)
            self._open(start, at)
        return end

    def _closing_marks(self, at: int, stop: int) -> None:
        """Take out the number signs that a heading may end with."""
        title = self._text[at:stop].rstrip(" \t")
        bare = title.rstrip("#")
        if len(bare) < len(title) and bare.endswith((" ", "\t")):
            self._edit(at + len(bare.rstrip()), stop)

    def _in_table(self, at: int, stop: int, end: int) -> bool:
        """Tell whether a line is part of a table: its header is known by the line of dashes that follows."""
        line = self._text[at:stop].strip()
        if "|" not in line:
            self._table = False
        elif not self._table:
            following = _LINE.match(self._text, end)
            self._table = following is not None and _dashes(following[1])
            framed = line[0] == line[-1] == "|" and line.count("|") >= _ROW_PIPES
            return self._table or framed
        return self._table

    def _row(self, start: int, at: int, stop: int) -> None:
        """Make a row of a table a list of what is in its cells."""
        kept = start
        for first, last in self._cells(at, stop):
            joint = " " if self._text[kept - 1] in ".,:!?" else ", "
            self._edit(kept, first, joint if kept > start else "")
            self._open(first, first)
            self._close(last)
            kept = last
        self._edit(kept, stop)

    def _cells(self, at: int, stop: int) -> list[tuple[int, int]]:
        """Give the spans of the cells that are not empty, without the white space around them."""
        pipes = [found.start() for found in _PIPE.finditer(self._text, at, stop) if found[0] == "|"]
        cells = []
        for opened, closed in zip([at - 1, *pipes], [*pipes, stop], strict=True):
            cell = self._text[opened + 1 : closed]
            if kept := cell.strip():
                first = opened + 1 + len(cell) - len(cell.lstrip())
                cells.append((first, first + len(kept)))
        return cells

    def _drop(self, start: int, end: int) -> int:
        self._close(start)
        self._edit(start, end)
        return end

    def _edit(self, start: int, end: int, new: str = "") -> None:
        if end > start:
            self._edits.append(Edit(start, end, new))
            self._shift += len(new) - (end - start)

    def _open(self, start: int, at: int) -> None:
        """Take out what stands before ``at``, where a paragraph begins unless one goes on there."""
        self._edit(start, at)
        if self._opened is None:
            self._opened = at + self._shift

    def _close(self, at: int) -> None:
        """End the paragraph, if one goes on."""
        if self._opened is not None:
            self.paragraphs.append((self._opened, at + self._shift))
        self._opened = None


def _dashes(line: str) -> bool:
    """Tell the line between a table's header and its rows, which has pipes, dashes and colons only."""
    return "|" in line and "-" in line and not line.strip(" \t|:->")
