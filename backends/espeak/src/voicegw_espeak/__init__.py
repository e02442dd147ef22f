"""espeak-ng as a backend of voicegw: small, quick, robotic, and it speaks more than a hundred languages."""

from voicegw_espeak.backend import EspeakBackend

__all__ = ["EspeakBackend"]
