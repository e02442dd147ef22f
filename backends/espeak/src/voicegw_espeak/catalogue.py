"""Which languages and speaker variants there are, read from the voice files without loading the library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from voicegw.backend import VoiceInfo

DEFAULT_VOICE = "en-us"
_DEFAULT_PRIORITY = 5  # of a language line that gives none; 1 is best
_SPEAKER = re.compile(r"([fm])(\d+)")


@dataclass(frozen=True, slots=True)
class LanguageVoice:
    """A voice that speaks a language.

    Attributes:
        id: Its own language tag, lower case.
        file: Its file below ``lang``, by which the library finds it without doubt.
        tags: (tag, priority) of every language it stands in for, its own first; the lowest priority is the best.
        dictionary: Name of its pronunciation rules.
    """

    id: str
    name: str
    file: str
    tags: tuple[tuple[str, int], ...]
    dictionary: str

    def primaries(self) -> frozenset[str]:
        """Give the primary subtags of its languages: cmn speaks zh too."""
        return frozenset(_primary(tag) for tag, _ in self.tags)


@dataclass(frozen=True, slots=True)
class Variant:
    """A speaker that any language can be spoken with; ``file`` lies below ``voices/!v``."""

    id: str
    name: str
    file: str
    gender: Literal["female", "male"] | None


def plain(tag: str) -> str:
    """Write a tag or id as it is compared: lower case, hyphens."""
    return tag.replace("_", "-").lower()


def _primary(tag: str) -> str:
    return tag.split("-", 1)[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All voices, and which of them speaks when a voice and a language are asked for."""

    languages: dict[str, LanguageVoice]
    variants: dict[str, Variant]

    def __contains__(self, voice: object) -> bool:
        """Tell whether there is such a language voice or variant."""
        return isinstance(voice, str) and (plain(voice) in self.languages or plain(voice) in self.variants)

    def infos(self, default: str = DEFAULT_VOICE) -> tuple[VoiceInfo, ...]:
        """List the voices for the manifest: the default one, then languages, then variants."""
        languages = [
            VoiceInfo(voice.id, voice.name, tuple(tag for tag, _ in voice.tags)) for voice in self.languages.values()
        ]
        variants = [VoiceInfo(each.id, each.name, (), each.gender) for each in self.variants.values()]
        return tuple(sorted((*languages, *variants), key=lambda info: plain(info.id) != plain(default)))

    def tags(self) -> tuple[str, ...]:
        """List every language tag that some voice answers to."""
        return tuple(dict.fromkeys(tag for voice in self.languages.values() for tag, _ in voice.tags))

    def choose(self, voice: str | None, language: str | None, default: str = DEFAULT_VOICE) -> str:
        """Give the library's name for the voice that is to speak.

        A variant, or no voice, speaks the language asked for. A language voice speaks, unless the language asked for
        is another one: then that language's voice does. A language that nobody speaks changes nothing.

        Raises:
            KeyError: There is no such voice.
        """
        wanted = plain(voice or default)
        variant = self.variants.get(wanted)
        if variant is not None:
            speaker = self.languages[plain(default) if plain(default) in self.languages else DEFAULT_VOICE]
        else:
            speaker = self.languages[wanted]
        by_choice = voice is not None and variant is None
        if language is not None:
            speaker = self._speaking(plain(language), speaker, keep=by_choice)
        return speaker.file if variant is None else f"{speaker.file}+{variant.file}"

    def _speaking(self, tag: str, speaker: LanguageVoice, *, keep: bool) -> LanguageVoice:
        """Give ``speaker`` if it will do for the tag, else the best one; ``keep`` it whatever the region."""
        same_language = _primary(tag) in speaker.primaries()
        if same_language and (keep or "-" not in tag):
            return speaker
        return self._best(tag) or self._best(_primary(tag)) or self._family(tag) or speaker

    def _best(self, tag: str) -> LanguageVoice | None:
        """Give the voice whose own tag it is, else the one that stands in for it with the best priority."""
        if tag in self.languages:
            return self.languages[tag]
        ranked = [(rank, voice.id) for voice in self.languages.values() for each, rank in voice.tags if each == tag]
        return self.languages[min(ranked)[1]] if ranked else None

    def _family(self, tag: str) -> LanguageVoice | None:
        """Give any voice of the same primary language, such as chr-us-qaaa-x-west for chr."""
        return next((voice for voice in self.languages.values() if _primary(tag) in voice.primaries()), None)


@cache
def read(folder: Path) -> Catalogue:
    """Read the voice files below the data folder.

    Left out are languages whose dictionary was not built (Faroese, Karakalpak and others: the library lists them but
    has no rules to read them by). Mbrola voices, which need another program, lie elsewhere.
    """
    files = (path for path in sorted((folder / "lang").rglob("*")) if path.is_file())
    voices = (voice for path in files if (voice := _language(path, folder / "lang")) is not None)
    by_id: dict[str, LanguageVoice] = {}
    for voice in sorted(voices, key=_rank):
        if not (folder / f"{voice.dictionary}_dict").is_file():
            continue
        # Two files may claim one tag (yue): the second goes by its file's name.
        key = voice.id if voice.id not in by_id else plain(Path(voice.file).name)
        by_id[key] = replace(voice, id=key)
    speakers = (_variant(path) for path in (folder / "voices" / "!v").iterdir())
    variants = {plain(each.id): each for each in sorted(speakers, key=lambda each: _speaker_rank(each.id))}
    return Catalogue(by_id, variants)


def _rank(voice: LanguageVoice) -> tuple[str, int, int, str]:
    """Sort by language, and within one by who speaks it when no region is named."""
    primary = _primary(voice.id)
    bare = min((rank for tag, rank in voice.tags if tag == primary), default=99)
    return primary, bare, len(Path(voice.file).name), voice.id


def _speaker_rank(name: str) -> tuple[bool, str]:
    """Sort f1, f2, ..., m1, ... before the named ones."""
    return _SPEAKER.fullmatch(name) is None, name.lower()


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Give (keyword, rest) of each line; some comments are in no known encoding."""
    for line in path.read_text("utf-8", errors="replace").splitlines():
        keyword, _, rest = line.split("//")[0].partition(" ")
        if keyword in {"name", "language", "dictionary", "gender"}:
            yield keyword, rest.strip()


def _language(path: Path, root: Path) -> LanguageVoice | None:
    name, dictionary, tags = path.name, "", []
    for keyword, rest in _lines(path):
        if keyword == "name":
            name = rest
        elif keyword == "dictionary":
            dictionary = rest
        elif keyword == "language":
            tag, *priority = rest.split()
            tags.append((plain(tag), int(priority[0]) if priority else _DEFAULT_PRIORITY))
    if not tags:
        return None
    own = tags[0][0]
    return LanguageVoice(own, name, path.relative_to(root).as_posix(), tuple(tags), dictionary or _primary(own))


def _variant(path: Path) -> Variant:
    fields = dict(_lines(path))
    words = fields.get("gender", "").split()
    gender: Literal["female", "male"] | None = None
    if words:
        gender = "female" if words[0] == "female" else "male"
    return Variant(path.name.replace(" ", "-"), fields.get("name", path.name), path.name, gender)
