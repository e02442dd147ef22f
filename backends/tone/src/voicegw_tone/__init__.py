"""Speech as tones: every word is half a second of its own pitch, with exact times. For load tests and work offline."""

from voicegw_tone.backend import ToneBackend

__all__ = ["ToneBackend"]
