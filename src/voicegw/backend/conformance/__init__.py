"""The conformance kit: what any speech adapter must do, as checks that run on it in the process that calls them.

One line makes tests of them, ``test_conformance = speech_suite("tone", {"slots": 4})``; ``voicegw backends check NAME``
runs them from the shell. An adapter may show a whole number ``steps_done``, the model steps made so far: then the steps
that a cancelled request still costs are counted.
"""

from voicegw.backend.conformance.check import Bounds, Check, CheckResult
from voicegw.backend.conformance.run import CHECKS, check_backend, run_checks, speech_suite

__all__ = ["CHECKS", "Bounds", "Check", "CheckResult", "check_backend", "run_checks", "speech_suite"]
