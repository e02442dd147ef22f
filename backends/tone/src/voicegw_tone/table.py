"""Where the frequencies of the number words come from; ``python -m voicegw_tone.table`` prints them again.

A speech recogniser that looks at 80 mel bands tells tones apart best if each sits in the middle of a band of its own.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

BANDS, WINDOW, RATE = 80, 400, 16_000
FIRST_BAND, BAND_STRIDE, WORDS = 8, 3, 20
KNEE_MEL = 15


def mel_filters() -> NDArray[np.float64]:
    """Make the triangular filters of the slaney mel scale, area-normalised: shape (80 bands, 201 lines of 40 Hz).

    The scale is linear up to 1 kHz (200/3 Hz per mel) and logarithmic above (27 mels for a factor of 6.4), as in
    Slaney's Auditory Toolbox, 1998. The knee, 15 mel, is at 1 kHz.
    """
    top = KNEE_MEL + np.log(RATE / 2 / 1000) * 27 / np.log(6.4)
    mels = np.linspace(0, top, BANDS + 2)
    edges = np.where(mels < KNEE_MEL, mels * 200 / 3, 1000 * np.exp((mels - KNEE_MEL) * np.log(6.4) / 27))
    lines = np.fft.rfftfreq(WINDOW, 1 / RATE)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((lines - low) / (middle - low), (high - lines) / (high - middle))
    filters: NDArray[np.float64] = np.maximum(0, triangles) * 2 / (high - low)
    return filters


def table() -> tuple[int, ...]:
    """Give the strongest line, in Hz, of each word's band."""
    bands = mel_filters()[FIRST_BAND::BAND_STRIDE][:WORDS]
    return tuple(int(line) * RATE // WINDOW for line in bands.argmax(axis=1))


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
