"""How loud the output is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_GAIN = 4.0
"""The most that samples are multiplied by: 12 dB."""


def amplified(pcm: NDArray[np.int16], gain: float) -> NDArray[np.int16]:
    """Multiply samples of shape (n,) by a gain of 0 to :data:`MAX_GAIN`; above full scale they are clipped.

    At 1 they are handed through.
    """
    if gain == 1:
        return pcm
    louder = np.rint(pcm * np.float32(gain)).clip(-32768, 32767)
    return np.asarray(louder, np.int16)
