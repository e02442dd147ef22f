"""Joins the segments of one request, which a model made apart from each other, without a click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FADE_S = 0.005
"""Seconds over which a step at a seam is spread."""

_LOOK_S = 0.5
"""Seconds of audio that are looked at together: numpy costs by the call, and chunks are small."""


class SeamSmoother:
    """Keeps the step between two segments from being larger than every step inside the segments so far.

    Where it would be, the new segment begins at the last sample sent, and the offset that this takes decays linearly
    over 5 ms; any other sample is left as it is. How the audio is cut into pushes does not matter.

    Args:
        sample_rate: Hz of what is pushed.
    """

    def __init__(self, sample_rate: int) -> None:
        self._fade = max(1, round(FADE_S * sample_rate))
        self._look_at = max(1, round(_LOOK_S * sample_rate))
        self._last: int | None = None  # as it was sent
        self._unseen: list[NDArray[np.int16]] = []  # as it was made: the fade is no part of the segment's own steps
        self._unseen_samples = 0
        self._largest = 0
        self._at_seam = False
        self._offsets = np.empty(0, np.int32)

    def seam(self) -> None:
        """Say that what is pushed next begins a new segment; does nothing before the first sample."""
        self._at_seam = self._last is not None

    def rest(self) -> NDArray[np.int16]:
        """Say that silence follows; gives the 5 ms that lead there where to stop would be a step, else nothing."""
        last, self._last = self._last or 0, 0
        self._at_seam = True
        self._offsets = np.empty(0, np.int32)
        self._look()
        if abs(last) <= self._largest:
            return np.empty(0, np.int16)
        return np.rint(last * np.arange(self._fade - 1, -1, -1) / self._fade).astype(np.int16)

    def push(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take samples of shape (n,), n >= 0, and give as many."""
        if not len(pcm):
            return pcm
        if self._at_seam:
            self._begin_segment(int(pcm[0]))
        self._unseen.append(pcm)
        self._unseen_samples += len(pcm)
        if self._unseen_samples >= self._look_at:
            self._look()
        joined = self._faded(pcm) if len(self._offsets) else pcm
        self._last = int(joined[-1])
        return joined

    def _begin_segment(self, first: int) -> None:
        self._at_seam = False
        self._look()
        self._unseen, self._unseen_samples = [], 0
        jump = (self._last or 0) - first
        offset = jump if abs(jump) > self._largest else 0
        left = np.arange(self._fade, 0, -1) if offset else np.empty(0)
        self._offsets = np.rint(offset * left / self._fade).astype(np.int32)

    def _look(self) -> None:
        """Find the largest step in what nobody has looked at; its last sample stays, for the step to the next one."""
        if self._unseen:
            wide = np.concatenate(self._unseen).astype(np.int32)
            self._largest = int(np.abs(wide[1:] - wide[:-1]).max(initial=self._largest))
            self._unseen = [self._unseen[-1][-1:]]
            self._unseen_samples = 1

    def _faded(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        n = min(len(pcm), len(self._offsets))
        joined = pcm.copy()
        joined[:n] = np.clip(pcm[:n] + self._offsets[:n], -32768, 32767)
        self._offsets = self._offsets[n:]
        return joined
