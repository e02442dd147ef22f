"""espeak keeps the contract that every adapter keeps."""

from voicegw.backend.conformance import speech_suite

test_conformance = speech_suite("espeak", {})
