"""Requests that workers die of: noticed at their second crash, and not tried again for a while."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict

from voicegw.backend import Utterance, Voice
from voicegw.errors import PoisonRequest


class Poison:
    """Requests that were running when a worker crashed; the second time, they are not tried again.

    Args:
        most: Fingerprints remembered.
        keep_s: Seconds after which a crash is forgiven.
    """

    def __init__(self, most: int = 1024, keep_s: float = 600.0) -> None:
        self._most = most
        self._keep_s = keep_s
        self._crashes: OrderedDict[bytes, tuple[frozenset[str], float]] = OrderedDict()

    @staticmethod
    def fingerprint(utterance: Utterance, voice: Voice | None) -> bytes:
        """Hash what makes two utterances the same work."""
        parameters = sorted((str(k), repr(v)) for k, v in utterance.parameters.items())
        spoken = (utterance.text, utterance.marks, utterance.language, utterance.seed, parameters)
        same = (*spoken, utterance.voice, voice and voice.key)
        return hashlib.sha256(repr(same).encode("utf-8", "surrogatepass")).digest()

    def crashed(self, fingerprint: bytes, crash: str) -> None:
        """Note that a worker died while this ran; ``crash`` names the death, which many requests may have seen."""
        now = time.monotonic()
        crashes, when = self._crashes.pop(fingerprint, (frozenset(), 0.0))
        self._crashes[fingerprint] = ((crashes if now - when < self._keep_s else frozenset()) | {crash}, now)
        if len(self._crashes) > self._most:
            self._crashes.popitem(last=False)

    def forgive(self, fingerprint: bytes) -> None:
        """Note that this was served: it was not what the worker died of."""
        self._crashes.pop(fingerprint, None)

    def check(self, fingerprint: bytes) -> None:
        """Refuse what ran at two crashes.

        Raises:
            PoisonRequest: It did.
        """
        crashes, when = self._crashes.get(fingerprint, (frozenset(), 0.0))
        if len(crashes) >= 2 and time.monotonic() - when < self._keep_s:  # noqa: PLR2004 - two crashes are the rule
            raise PoisonRequest("this request was running at two crashes of the model and is not tried again")
