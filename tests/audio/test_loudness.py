"""Gain."""

from __future__ import annotations

import numpy as np

from voicegw.audio.loudness import MAX_GAIN, amplified


def test_samples_are_multiplied_and_rounded() -> None:
    pcm = np.array([-3, 0, 3, 1_001], np.int16)
    assert amplified(pcm, 0.5).tolist() == [-2, 0, 2, 500]
    assert amplified(pcm, 0).tolist() == [0, 0, 0, 0]
    assert amplified(pcm, MAX_GAIN).dtype == np.int16


def test_above_full_scale_is_clipped_not_wrapped() -> None:
    assert amplified(np.array([-20_000, 20_000], np.int16), 2).tolist() == [-32_768, 32_767]


def test_at_one_nothing_is_touched() -> None:
    pcm = np.array([1, 2], np.int16)
    assert amplified(pcm, 1.0) is pcm
