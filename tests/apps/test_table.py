"""The table of applications and the tests that send their requests are about the same ones."""

from __future__ import annotations

import re
from pathlib import Path

from tests.apps import readme


def test_each_row_of_the_readme_is_sent_by_a_test() -> None:
    sources = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    sent = {name for source in sources for name in re.findall(r'^APP = "(.+)"$', source, re.MULTILINE)}
    assert sent == readme.rows().keys()
    assert len(sent) == 8
