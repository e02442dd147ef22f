"""What any adapter must do."""

from __future__ import annotations

from voicegw.backend.conformance import speech_suite

test_conformance = speech_suite("tone", {"slots": 4})
test_conformance_when_paced = speech_suite("tone", {"slots": 2, "rtf": 0.02, "first_audio_ms": 2})
