"""What nobody should send and somebody will: values, texts, bodies, names, paths and headers, made by tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from voicegw.api.openai.asked import OBEYED

Fields = dict[str, Any]

_DEEP: Final = 100_000


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


NO_TEXT: Final[tuple[Any, ...]] = (
    0,
    -1,
    1.5,
    10**400,
    True,
    False,
    [],
    ["tone"],
    {},
    {"x": "tone"},
    [[[[]]]],
    _nested(200),
)
"""Where text belongs."""

NO_NUMBER: Final[tuple[Any, ...]] = (
    *(
        True,
        False,
        [],
        [1],
        {},
        {"value": 1},
        "",
        " ",
        "fast",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e400",
        "0x10",
        "1,5",
    ),
    *("1\x00", "--1", "1 2", "½", "\ud800", "9" * 5000, 0, -1, -1.0, 1e308, -1e308, 10**400, -(10**400), 5e-324),
)
"""Where a number from 0.25 to 4, or from 8,000 to 48,000, belongs."""

NO_CHOICE: Final[tuple[Any, ...]] = (
    "nonsense",
    "\x00",
    "mp3\x00",
    "mp3\r\nx-injected: 1",
    "\u202e3pm",
    "\ud800",
    "ogg" * 5000,
    "../mp3",
)
"""Where one of some words belongs."""

WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "model": (*NO_TEXT, None),
    "input": (*NO_TEXT, None, "", " ", "\t\r\n", "\u3000\u2003", "x" * 100_001, "\U0001f600" * 100_001),
    "voice": (0, 1.5, True, [], ["tone"], {}, {"id": None}, {"id": 7}, {"id": ["tone"]}, {"name": "tone"}, *NO_CHOICE),
    "response_format": (*NO_TEXT, *NO_CHOICE),
    "stream_format": (*NO_TEXT, *NO_CHOICE),
    "clean": (*NO_TEXT, *NO_CHOICE),
    "language": (
        *NO_TEXT,
        "e",
        "english please",
        "en-",
        "-en",
        "en\r\nx: y",
        "en\x00",
        "\ud800",
        "a" * 9,
        "en/../de",
        "日本語",
    ),
    "speed": (*NO_NUMBER, 0.2499, 4.0001),
    "sample_rate": (*NO_NUMBER, 7999, 48_001, 24_000.5, "24000.5"),
    "strict_parameters": (0, 1, 1.0, "", "yes", "1", [], [True], {}, "tru\x00e"),
    "timestamp_granularities": (
        0,
        1,
        True,
        "segment",
        "words",
        ["segment"],
        ["word", "segment"],
        [None],
        {"word": 1},
        [["word"]],
    ),
}
"""What every parameter refuses, with its name."""


def wrong_values() -> Iterator[tuple[str, Fields]]:
    """Give requests with one value that must be refused, and the parameter that must be named."""
    for name, values in WRONG.items():
        for value in values:
            yield name, {name: value}


INJECTIONS: Final = (
    "a\r\nx-injected: 1",
    "a\nx-injected: 1",
    "a\rx-injected: 1",
    "a\x00x-injected: 1",
    "a\r\n\r\n<html>",
    "%0d%0ax-injected: 1",
    "a\u560d\u560ax-injected: 1",
    "a\u0085x-injected: 1",
    "a\u2028x-injected: 1",
    "a: b; c=d, e\tf",
    "\x7f\x1b[31m",
    "\ud800\udc00\ud800",
    "é" * 3000,
)
"""What would be a header of its own, if it got into one."""


def injections() -> Iterator[Fields]:
    """Give requests with these wherever a client's own words might come back in a header."""
    for text in INJECTIONS:
        for name in (*sorted(OBEYED - {"input"}), "instructions", "extra"):
            yield {name: text}
        yield {"input": f"one {text}"}
        yield {"voice": {"id": text}}
        yield {text: 1}
        yield {text: 1, "strict_parameters": True}
        yield {text * 30 + str(number): None if number % 2 else 1 for number in range(100)}


_LAUGHS: Final = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10))

SPEAKABLE: Final[dict[str, str]] = {
    "nul": "one\x00two",
    "all control characters": "".join(map(chr, range(1, 32))) + "one",
    "lone surrogates": "one \ud800 two \udfff\ud800",
    "no characters": "one \ufffe\uffff\U0001ffff two",
    "zero width": "o\u200bn\u200ce\u200d \ufefftwo\u2060",
    "right to left": "שלום עולם مرحبا بالعالم one",
    "overrides": "\u202eeno\u202c \u2066two\u2069 \u202d\u202b",
    "pile of accents": "e" + "\u0301" * 20_000 + " one",
    "variation selectors": "one" + "\ufe0f" * 20_000,
    "tag characters": "one" + "".join(chr(0xE0000 + n) for n in range(1, 128)) * 50,
    "private use": "\ue000\uf8ff\U000f0000 one",
    "emoji": "\U0001f600" * 20_000 + " one",
    "families": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 5_000 + " one",
    "flags": "\U0001f1e9\U0001f1ea" * 10_000 + " one",
    "only emoji": "\U0001f600" * 1_000,
    "only marks": "?!.,;:" * 5_000,
    "one word": "x" * 99_999,
    "one digit": "9" * 50_000,
    "numbers": "1e308 -1e308 0x7fffffff 1/0 NaN Infinity 2147483648",
    "many sentences": "a." * 30_000,
    "many words": "a " * 49_000,
    "no spaces": "日本語" * 20_000,
    "line ends": "\r\n" * 40_000 + "one",
    "line separators": "\u2028\u2029\u0085\v\f" * 5_000 + "one",
    "spaces": " " * 90_000 + "one",
    "asterisks": "*" * 50_000 + "one",
    "emphasis": "*_" * 20_000 + "one" + "_*" * 20_000,
    "half emphasis": "**a *b __c _d " * 5_000,
    "brackets": "[" * 50_000 + "one",
    "links": "[a](" * 15_000 + "one",
    "nested links": "[" * 10_000 + "one" + "](b)" * 10_000,
    "images": "![](" * 15_000 + "one",
    "references": "[a]: b\n" * 10_000 + "one",
    "quotes": ">" * 50_000 + " one",
    "lists": "".join(" " * depth + "- a\n" for depth in range(300)) + "one",
    "code": "`" * 50_001 + "one",
    "fences": "```\n" * 20_000 + "one",
    "tables": "|" * 30_000 + "\n" + "|-" * 30_000 + "|\none",
    "headings": "#" * 50_000 + " one",
    "backslashes": "\\" * 50_001 + "one",
    "html": "<div>" * 10_000 + "one" + "</div>" * 5_000,
    "half a tag": "<" * 50_000 + "one",
    "comment": "<!--" * 20_000 + "one",
    "entities": "&amp;" * 15_000 + "one",
    "laughs": f"<!DOCTYPE lolz [{_LAUGHS}]><lolz>&l9;</lolz>",
    "foreign file": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "sound of a file": '<speak><audio src="file:///etc/passwd">one</audio></speak>',
    "phonemes": "[[" * 20_000 + "w0n]]",
    "pauses": "[pause 10s] one " * 5_000,
    "pauses before": "[pause 10s]. " * 5_000 + "one",
    "pauses of any length": f"one [pause {'9' * 50}s] [pause -1s] [pause 1e9s] [pause .s] [pause 0,000001ms] two",
    "broken pauses": "[pause " * 12_000 + "one",
    "breaks": '<break time="999999s"/>' * 4_000 + "one",
    "broken breaks": '<break time="' * 7_000 + "one",
    "options": "-f /etc/passwd -w /tmp/x.wav --path=/ one",
    "shell": "$(reboot) `reboot` ; reboot | reboot && reboot > /dev/null one",
    "query": "'; DROP TABLE voices; -- one",
    "templates": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> ${jndi:ldap://127.0.0.1/a} one",
    "format": "%s%s%s%n%n%n {0} {x.__class__} one",
    "path": "../../../../etc/passwd ..\\..\\windows one",
    "escapes": "\x1b[2J\x1b]0;x\x07 one",
    "head of an answer": "HTTP/1.1 200 OK\r\nx-injected: 1\r\n\r\none",
    "zalgo": "".join(c + "\u0300\u0316\u034f\u0489" * 20 for c in "one two three " * 50),
    "mixed": "".join(chr(n) for n in range(0x20, 0x3000)),
}
"""Texts that are merely strange: all of them are spoken, be it as silence."""


def bodies() -> Iterator[tuple[str, bytes]]:
    """Give bodies that are no request, each with a name."""
    good = json.dumps({"model": "tone", "input": "one"}).encode()
    for name, opening in (
        ("arrays", b"["),
        ("objects", b'{"a":'),
        ("strings in arrays", b'["a",'),
        ("mixed", b'[{"a":'),
    ):
        for depth in (1, 10, 1_000, _DEEP):
            yield f"{depth} {name}", opening * depth
    for name, value in (
        ("array", b"[" * _DEEP + b"]" * _DEEP),
        ("object", b'{"a":' * _DEEP + b"1" + b"}" * _DEEP),
        ("integer", b"1" * 2**20),
        ("fraction", b"0." + b"1" * 2**20 + b"e"),
        ("wide array", b"[" + b"0," * 600_000 + b"0]"),
        ("wide object", b"{" + b",".join(b'"%d":0' % n for n in range(600_000)) + b"}"),
        ("NaN", b"NaN"),
        ("Infinity", b"Infinity"),
        ("minus Infinity", b"-Infinity"),
        ("hexadecimal", b"0x10"),
        ("leading zero", b"01"),
        ("single quotes", b"'x'"),
        ("nothing", b""),
        ("escape", b'"\\x"'),
        ("half an escape", b'"\\u12"'),
        ("raw control character", b'"\x01"'),
        ("raw line end", b'"a\nb"'),
        ("no UTF-8", b'"\xff\xfe"'),
        ("overlong UTF-8", b'"\xc0\xaf\xe0\x80\xaf"'),
        ("UTF-8 surrogates", b'"\xed\xa0\x80"'),
        ("too high UTF-8", b'"\xf4\x90\x80\x80"'),
        ("cut UTF-8", b'"\xe2\x82"'),
    ):
        yield f"value: {name}", b'{"model":"tone","input":"one","x":' + value + b"}"
    for encoding in ("utf-16", "utf-32", "utf-16-le", "cp037"):
        yield encoding, good.decode().encode(encoding)
    for cut in range(1, len(good)):
        yield f"the first {cut} bytes", good[:cut]
    for at in range(len(good)):
        if good[at : at + 1] in b'{}:,"':
            yield f"without byte {at}", good[:at] + good[at + 1 :]
    for name, prefix in (
        ("gzip", b"\x1f\x8b\x08"),
        ("zip", b"PK\x03\x04"),
        ("pickle", b"\x80\x04."),
        ("wav", b"RIFF\xff\xff\xff\xffWAVE"),
    ):
        yield name, prefix + good
    for name, data in (
        ("null", b"null"),
        ("number", b"1"),
        ("string", b'"x"'),
        ("true", b"true"),
        ("zeros", bytes(2**20)),
    ):
        yield name, data


PATHS: Final = (
    *(
        "/v1/audio/speech/",
        "/v1/audio/speech/..",
        "/v1/audio//speech",
        "//v1/audio/speech",
        "/V1/AUDIO/SPEECH",
        "/v1/audio/speech%00",
    ),
    *(
        "/v1/audio/speech;x=1",
        "/v1/audio%2fspeech",
        "/v1/audio/speech%0d%0ax-injected:1",
        "/v1/audio/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
    ),
    *(
        "/%2e%2e/%2e%2e/etc/passwd",
        "/docs/assets/../../../app.py",
        "/docs/assets/..%2f..%2fapp.py",
        "/docs/assets/%00",
        "/.env",
        "/.git/config",
    ),
    *(
        "/openapi.json/..",
        "/v1/models/../../x",
        "/v1/models/%00",
        "/v1/models/" + "a" * 8000,
        "/v1/models/%ff%fe",
        "/v1/models/a%0d%0ax-injected:%201",
    ),
    *(
        "/v1/models/..%5c..%5cx",
        "/v1/models/%F0%9F%98%80",
        "/v1/models/tone%00",
        "/v1/models/" + "%25" * 2000,
        "/" + "a/" * 4000,
        "/%",
        "/%zz",
        "/\\..\\..",
    ),
    *(
        "/v1/audio/voices?model=%00",
        "/v1/audio/voices?model=" + "x" * 8000,
        "/v1/audio/voices?model=../../x",
        "/v1/audio/voices?model=a&model=b",
    ),
    *(
        "/v1/audio/voices?model=tone%0d%0ax-injected:1",
        "/openai/deployments/../audio/speech",
        "/openai/deployments//audio/speech",
        "/metrics/..",
        "/health/../v1",
    ),
)
"""Where nothing is."""

METHODS: Final = ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "LOCK", "SEARCH", "PURGE")
"""What no path takes."""

ROUTES: Final = (
    "/v1/audio/speech",
    "/v1/models",
    "/v1/models/tone",
    "/v1/audio/voices",
    "/v1/audio/models",
    "/health/live",
    "/openapi.json",
    "/docs",
)

HARMLESS: Final[tuple[tuple[str, str], ...]] = (
    *(
        ("content-type", kind)
        for kind in ("", "text/plain", "application/octet-stream", "audio/wav", "image/svg+xml", "*/*", "a" * 4000)
    ),
    *(
        ("content-type", f"application/json; {more}")
        for more in ("charset=utf-7", "charset=klingon", "boundary=x", "q=" + "1" * 4000)
    ),
    *(("accept", kind) for kind in ("", "nothing/atall", "*/*;q=nan", "text/html," * 500)),
    *(("x-request-id", name) for name in ("", " ", "a b", "é", "a" * 129, "<script>", "../x", "a;b=c", "%0d%0ax")),
    *(("x-voicegw-strict", value) for value in ("", "0", "yes", "2", "t" * 4000)),
    *(
        ("authorization", value)
        for value in ("", "Bearer", "Bearer ", "Basic " + "A" * 4000, "Digest x", "Bearer a b", "\xff\xfe")
    ),
    *(("api-key", value) for value in ("", "\xff", "x" * 4000)),
    *(("cookie", value) for value in ("a=b" * 1000, ";" * 1000, "=")),
    *(("range", value) for value in ("bytes=0-", "bytes=-1", "bytes=9-1", "lines=1")),
    *(("if-none-match", "*"), ("if-modified-since", "never"), ("origin", "null"), ("origin", "https://evil.example")),
    *(
        ("x-forwarded-for", "' OR 1=1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "gopher"),
        ("forwarded", "for=_x"),
    ),
    *(
        ("accept-encoding", "gzip, br, nothing;q=nan"),
        ("accept-language", "x-" * 500),
        ("referer", "javascript:x"),
        ("user-agent", "() { :; }; reboot"),
    ),
    *(
        ("x-http-method-override", "DELETE"),
        ("upgrade", "h2c"),
        ("te", "trailers"),
        ("dnt", "9" * 4000),
        ("via", "1.1 " * 500),
    ),
)
"""Headers that change nothing of a good request."""
