"""Transcripts as captions: SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable

from voicegw.services.transcribing import Heard


def srt(heard: Iterable[Heard]) -> str:
    """Give numbered captions, each with an empty line behind it; segments without text are left out."""
    said = [(each, _line(each)) for each in heard if _line(each)]
    return "".join(
        f"{number}\n{_times(each, ',')}\n{line.replace('-->', '->')}\n\n" for number, (each, line) in enumerate(said, 1)
    )


def vtt(heard: Iterable[Heard]) -> str:
    """Give captions below the format's name; what would be a mark is escaped."""
    cues = [f"{_times(each, '.')}\n{_escaped(_line(each))}\n\n" for each in heard if _line(each)]
    return "WEBVTT\n\n" + "".join(cues)


def _line(heard: Heard) -> str:
    """Give what was said in one line: an empty one would end the caption."""
    return " ".join(heard.segment.text.split())


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _times(heard: Heard, point: str) -> str:
    return f"{_time(heard.segment.start_s, point)} --> {_time(heard.segment.end_s, point)}"


def _time(seconds: float, point: str) -> str:
    """Write a time as ``00:00:01,500``, the point being a comma or a point; hours have as many digits as they need."""
    whole, milliseconds = divmod(max(0, round(1000 * seconds)), 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{point}{milliseconds:03}"
