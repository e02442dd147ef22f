"""Where sentences end, in several languages; a bar marks the place."""

from __future__ import annotations

import pytest

from voicegw.text.sentences import sentence_ends


def marked(text: str) -> str:
    """Put a bar where each sentence but the first begins."""
    parts, start = [], 0
    for end, _ in sentence_ends(text):
        parts.append(text[start:end])
        start = end
    assert start == len(text)
    return "|".join(parts)


@pytest.mark.parametrize(
    "expected",
    [
        # plain ends
        "Hello there. |How are you? |Fine! |And you",
        "Really?! |Yes.",
        "Wait… |Now go.",
        "hello there. |all lower case. |it works too",
        # quotes and brackets
        'He said "Stop!" |Then he ran.',
        "(It rained.) |We left.",
        "He said “I know.” |She did not.",
        "“Is it?” |“It is.”",
        '"Stop!" he said. |"Why?" she asked.',
        "Er sagte: „Nein.“ |Dann ging er.",
        # abbreviations, titles, initials
        "Dr. Smith met Mrs. Jones and Prof. Lee. |They spoke.",
        "Apples, pears, etc. |They sell all.",
        "Apples, etc. are sold.",
        "Acme Inc. |Profits rose.",
        "Acme Inc. reported losses.",
        "See e.g. the note, i.e. this one.",
        "J. R. R. Tolkien wrote it. |I read it.",
        "So did I. |Then we left.",
        "The U.S. Army came.",
        "At 5 p.m. |The bell rang.",
        "Ask (Dr. Who) now.",
        "No. 5 is alive. |No. |I won't.",
        "On Jan. 5 it snowed.",
        "El Sr. García y la Sra. Ruiz viven aquí. |¿Sí? |¡Claro!",
        "Fica na Av. Paulista. |A Dra. Lima sabe.",
        "Herr Dr. Müller kam z.B. am 3. Oktober 1990. |Dann ging er.",
        "M. Dupont et Mme. Curie arrivent. |Ils parlent.",
        "approx. 5 kg of it",
        "The vs. case",
        # numbers and addresses
        "It costs $3.50. |Pi is 3.14159 or so.",
        "1. Buy milk",
        "In 1990. |Then 2000.",
        "Version 1.2.3 is out. |Get it.",
        "See https://example.com/a?b=c. |Then www.example.org. |Done.",
        "Mail a.b@c.org today.",
        "wow!really?yes.no",
        # ellipsis
        "Well... maybe not... |Who knows.",
        "Well… maybe.",
        # other scripts
        "你好。|今天天气很好！|我们去公园吧？|好的。",  # noqa: RUF001 - fullwidth on purpose
        "「行こう。」|彼は言った。",
        "他说“走吧。”|然后走了。",
        "圆周率是3．14左右．|是的",  # noqa: RUF001 - fullwidth on purpose
        "Hello.|你好",
        "यह पहला वाक्य है। |यह दूसरा है। |डॉ. राव आए।",
        "كيف حالك؟ |أنا بخير.",
        "یہ پہلا ہے۔ |یہ دوسرا ہے۔",  # noqa: RUF001 - Urdu full stops
        # lines
        "A heading\n\n|Text follows",
        "one line\n|Two lines",
        "a line that\nwraps around",
        "a line that\n\n|breaks off",
        "First.\r\n|Second.\r\n\r\n|Third.",
        'He said:\n|"Go."',
        "etc.\n|New line",
    ],
)
def test_sentences_end(expected: str) -> None:
    assert marked(expected.replace("|", "")) == expected


def test_only_a_blank_line_is_a_paragraph() -> None:
    assert [paragraph for _, paragraph in sentence_ends("One.\nTwo.\n \nThree.\r\nFour.\n\nFive. Six.")] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("text", ["", "   ", "word", "...", "\n\n"])
def test_the_end_of_the_text_is_always_given(text: str) -> None:
    assert list(sentence_ends(text)) == [(len(text), False)]
