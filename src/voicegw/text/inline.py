"""Marks of Markdown inside a paragraph: emphasis, code, links, tags, addresses."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

from voicegw.text.emphasis import Emphasis
from voicegw.text.spans import Edit, removal

_TOKEN = re.compile(
    r"\\|`++|\*++|_++|~~++|!?\[|\]|[<&]|(?:https?|ftp)://|(?<![\w@/.-])www\.",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\(?=[`*_{}\[\]()#+.!<>|~\r\n-])")
_FOOTNOTE = re.compile(r"\[\^[^\s\[\]]{1,64}+\]")
_TARGET = re.compile(
    r"\(\s*+(?:<[^<>\r\n]*+>|[^\s()<>]*+(?:\([^\s()]*+\)[^\s()<>]*+)*+)"
    r"(?:\s++(?:\"[^\"]*+\"|'[^']*+'|\([^()]*+\)))?\s*+\)"
)
_REFERENCE = re.compile(r"\[([^\[\]]{0,100}+)\]")
_REFERENCE_CHARS = 100
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_ATTRIBUTE = r"\s++[A-Za-z_:@][\w:.-]*+(?:\s*+=\s*+(?:\"[^\"<]*+\"|'[^'<]*+'|[^\s\"'=<>`]++))?"
_TAG = re.compile(rf"<(/?)([A-Za-z][\w:-]*+)((?:{_ATTRIBUTE})*+)\s*+(/?)>")
_CLOSING_TAG = re.compile(r"</([A-Za-z][\w:-]*+)")
_AUTOLINK = re.compile(r"<(mailto:)?(?:[^\s<>@]{1,64}+@[^\s<>@]{1,255}+|(?:https?|ftp)://[^\s<>]++)>", re.IGNORECASE)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WITHIN_WORDS = _names(
    "a abbr b bdi bdo big cite code del dfn em font i ins kbd mark q ruby s samp small span strike strong sub sup tt u"
    " var wbr"
)
_ELEMENTS = _WITHIN_WORDS | _names(
    "address article aside audio blockquote body br button caption center col colgroup dd details div dl dt fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html iframe img input label legend li link main"
    " menu meta nav object ol optgroup option picture pre rp rt script section select source style summary svg table"
    " tbody td textarea tfoot th thead title tr track ul video"
)

_LETTERS = "0-9A-Za-z\u00c0-\u1fff"
_URL = re.compile(
    r"(?:(?:https?|ftp)://(?:[A-Za-z0-9._~%!$&'()+,;=:-]*+@)?+)?(?:www\.)?+"
    rf"(?P<host>[{_LETTERS}-]++(?:\.[{_LETTERS}-]++)*+)"
    rf"(?::[0-9]++)?+(?:[/?#][{_LETTERS}_.~:/?#@!$&'()+,;=%-]*+)?+",
    re.IGNORECASE,
)


def label_key(label: str) -> str:
    """Give the form in which labels of links are compared."""
    return " ".join(label.casefold().split())


class InlineScanner:
    """Collects the edits that take the marks out of the paragraphs of a text.

    Args:
        text: All paragraphs; what lies outside of those that are scanned stays as it is.
        definitions: Labels of the links that are defined in the text, as :func:`label_key` gives them.
    """

    def __init__(self, text: str, definitions: set[str]) -> None:
        self._text = text
        self._definitions = definitions
        self._edits: list[Edit] = []
        self._closed = {found[1].lower() for found in _CLOSING_TAG.finditer(text)}
        self._stop = 0
        self._emphasis = Emphasis(text, 0, 0)
        self._brackets: list[tuple[int, int]] = []
        self._plain_from = 0  # a label that begins before this has brackets inside and names no link
        self._code_ends: dict[int, int] | None = None
        self._comments = True
        self._read: dict[str, Callable[[int, int], int]] = {
            "\\": self._escape,
            "`": self._code,
            "*": self._mark,
            "_": self._mark,
            "~": self._mark,
            "[": self._open,
            "!": self._open,
            "]": self._close,
            "<": self._angle,
            "&": self._entity,
        }

    def edits(self) -> list[Edit]:
        """Give the edits of all that was scanned, in order."""
        return sorted(self._edits)

    def scan(self, start: int, stop: int) -> None:
        """Read a paragraph, which lies behind those that were read before; linear in its length."""
        self._stop, self._plain_from = stop, start
        self._emphasis = Emphasis(self._text, start, stop)
        self._brackets.clear()
        self._code_ends = None
        self._comments = True
        at = start
        while token := _TOKEN.search(self._text, at, stop):
            at = self._read.get(token[0][0], self._url)(token.start(), token.end())
        self._edits += self._emphasis.edits

    def _escape(self, start: int, end: int) -> int:
        if _ESCAPED.match(self._text, start, self._stop):
            self._edits.append(Edit(start, end))
        # What follows is no mark; of backticks the whole run is none.
        after = end + 1
        while after < self._stop and self._text[after - 1] == "`" == self._text[after]:
            after += 1
        return min(after, self._stop)

    def _code(self, start: int, end: int) -> int:
        if self._code_ends is None:
            self._code_ends = self._pair_backticks(start)
        closing = self._code_ends.get(start)
        if closing is None:
            return end
        after = closing + end - start
        self._edits += (Edit(start, end), Edit(closing, after))
        return after

    def _pair_backticks(self, start: int) -> dict[int, int]:
        """Give, for each run of backticks from ``start`` on, where the next one of the same length begins."""
        ends: dict[int, int] = {}
        waiting: dict[int, int] = {}
        for run in re.finditer(r"`++", self._text[start : self._stop]):
            length, at = run.end() - run.start(), start + run.start()
            if length in waiting:
                ends[waiting[length]] = at
            waiting[length] = at
        return ends

    def _mark(self, start: int, end: int) -> int:
        self._emphasis.add(start, end)
        return end

    def _open(self, start: int, end: int) -> int:
        footnote = _FOOTNOTE.match(self._text, start, self._stop)
        if footnote:
            self._edits.append(Edit(start, footnote.end()))
            return footnote.end()
        self._brackets.append((start, end))
        return end

    def _close(self, start: int, end: int) -> int:
        if not self._brackets:
            return end
        opened, inner = self._brackets.pop()
        plain, self._plain_from = inner >= self._plain_from, end
        after = self._link_end(inner if plain else None, start, end)
        if after is None:
            return end
        self._edits += (Edit(opened, inner), Edit(start, after))
        return after

    def _link_end(self, label: int | None, start: int, end: int) -> int | None:
        """Give where a link ends whose text closes here, None for brackets that are no link.

        ``label`` is where the text begins, None where there are brackets in it.
        """
        if target := _TARGET.match(self._text, end, self._stop):
            return target.end()
        if not self._definitions:
            return None
        own = label is not None and start - label <= _REFERENCE_CHARS and self._defined(self._text[label:start])
        reference = _REFERENCE.match(self._text, end, self._stop)
        if reference and (self._defined(reference[1]) or (own and not reference[1])):
            return reference.end()
        return end if own else None

    def _defined(self, label: str) -> bool:
        return label_key(label) in self._definitions

    def _angle(self, start: int, end: int) -> int:
        if self._text.startswith("<!--", start):
            return self._comment(start, end)
        if link := _AUTOLINK.match(self._text, start, self._stop):
            return self._autolink(link)
        tag = _TAG.match(self._text, start, self._stop)
        if not (tag and self._is_tag(tag)):
            return end
        within = tag[2].lower() in _WITHIN_WORDS
        edit = Edit(start, tag.end()) if within else removal(self._text, start, tag.end())
        self._edits.append(edit)
        return edit.end

    def _comment(self, start: int, end: int) -> int:
        stop = self._text.find("-->", start, self._stop) if self._comments else -1
        if stop < 0:
            self._comments = False
            return end
        edit = removal(self._text, start, stop + 3)
        self._edits.append(edit)
        return edit.end

    def _autolink(self, link: re.Match[str]) -> int:
        """Read an address in angle brackets."""
        inner = link.end(1) if link[1] else link.start() + 1
        self._edits += (Edit(link.start(), inner), Edit(link.end() - 1, link.end()))
        if "://" in link[0]:
            self._host(inner, link.end() - 1, whole=True)
        return link.end()

    def _is_tag(self, tag: re.Match[str]) -> bool:
        """Tell a tag from what else stands in angle brackets: ``a<b and b>c``, ``vector<int>``, ``Dear <name>``."""
        slash, name, attributes, ends_itself = tag.groups()
        if slash or ends_itself or "=" in attributes:
            return True
        if len(name) == 1:
            return not attributes and name.lower() in self._closed
        return name.lower() in self._closed or (not attributes and name.lower() in _ELEMENTS)

    def _entity(self, start: int, end: int) -> int:
        found = _ENTITY.match(self._text, start, self._stop)
        plain = html.unescape(found[0]) if found else ""
        if not found or plain in ("", found[0]) or unicodedata.category(plain[0]) == "Cc":
            return end
        self._edits.append(Edit(start, found.end(), plain))
        return found.end()

    def _url(self, start: int, end: int) -> int:
        return max(end, self._host(start, self._stop, whole=False))

    def _host(self, start: int, stop: int, *, whole: bool) -> int:
        """Leave only the host of the URL that begins at ``start``, and give where the URL ends."""
        found = _URL.match(self._text, start, stop)
        if not found:
            return start
        end = stop if whole else _without_tail(self._text, found.end("host"), found.end())
        self._edits += (Edit(start, found.start("host")), Edit(found.end("host"), end))
        return end


def _without_tail(text: str, start: int, end: int) -> int:
    """Give where a URL ends whose host ends at ``start``: marks of the sentence around it are none of its own."""
    balance = text.count("(", start, end) - text.count(")", start, end)
    while end > start and (text[end - 1] in ".,;:!?'_~" or (text[end - 1] == ")" and balance < 0)):
        balance += text[end - 1] == ")"
        end -= 1
    return end
