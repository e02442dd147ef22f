"""Everything that can go wrong, as one family of exceptions that travel unchanged from a model to a client.

Only the standard library is needed here: a worker in another interpreter raises these too. An error crosses the wire
as the plain dictionary of :meth:`VoicegwError.to_wire`; the API layer turns it into HTTP, SSE or WebSocket form.
"""

from __future__ import annotations

from typing import Any, ClassVar


class VoicegwError(Exception):
    """Base of all errors that a client may see.

    Args:
        message: What is wrong and what to do, in one sentence for a person. Never holds a key or the spoken text.
        param: The request parameter that is at fault, if one is.
        code: Machine-readable name; the class's own where none is given.
        retry_after_s: Seconds after which trying again makes sense; None where it makes none.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str] = "internal_error"
    should_retry: ClassVar[bool | None] = None

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code
        self.retry_after_s = retry_after_s

    def to_wire(self) -> dict[str, Any]:
        """Give the error as a dictionary of plain values, the class by name."""
        return {
            "kind": type(self).__name__,
            "message": self.message,
            "param": self.param,
            "code": self.code,
            "retry_after_s": self.retry_after_s,
        }

    @staticmethod
    def from_wire(fields: dict[str, Any]) -> VoicegwError:
        """Build the error again; a kind that this version does not know becomes a :class:`BackendFailed`."""
        kind = _KINDS.get(str(fields.get("kind")), BackendFailed)
        error = kind(
            str(fields.get("message")),
            param=fields.get("param"),
            code=fields.get("code"),
            retry_after_s=fields.get("retry_after_s"),
        )
        if isinstance(error, TextTooLong):
            error.fits_chars = int(fields.get("fits_chars", 1))
        return error


class InvalidRequest(VoicegwError):
    """The caller's mistake: a parameter is missing, malformed or out of range."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_value"
    should_retry = False


class TextTooLong(InvalidRequest):
    """An utterance is longer than the model takes; raised before any audio, so that the gateway can split again.

    Attributes:
        fits_chars: How many characters of this text the model would take.
    """

    default_code = "text_too_long"

    def __init__(
        self,
        message: str,
        *,
        fits_chars: int = 1,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, param=param or "input", code=code, retry_after_s=retry_after_s)
        self.fits_chars = fits_chars

    def to_wire(self) -> dict[str, Any]:
        """Add ``fits_chars`` to the plain form."""
        return {**super().to_wire(), "fits_chars": self.fits_chars}


class Unauthorized(VoicegwError):
    """No key was given where one is needed, or a wrong one."""

    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"
    should_retry = False


class NotFound(VoicegwError):
    """What the request names (a model, a voice, a route) does not exist here."""

    status = 404
    type = "invalid_request_error"
    default_code = "not_found"
    should_retry = False


class RequestTimeout(VoicegwError):
    """The client took too long to send its request; the connection is closed."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"
    should_retry = True


class TooLarge(VoicegwError):
    """The body or upload is over its limit."""

    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"
    should_retry = False


class UnsupportedMedia(VoicegwError):
    """The body is of a type that this route does not read."""

    status = 415
    type = "invalid_request_error"
    default_code = "unsupported_media_type"
    should_retry = False


class HeadersTooLarge(VoicegwError):
    """The target and headers of the request are over their limit."""

    status = 431
    type = "invalid_request_error"
    default_code = "headers_too_large"
    should_retry = False


class Overloaded(VoicegwError):
    """The model's queue is full; ``retry_after_s`` estimates when there is room."""

    status = 429
    type = "rate_limit_error"
    default_code = "queue_full"
    should_retry = True


class Cancelled(VoicegwError):
    """The client went away before the answer began; nobody reads this one."""

    status = 499
    type = "invalid_request_error"
    default_code = "cancelled"
    should_retry = False


class BackendFailed(VoicegwError):
    """The model raised an error, or broke the contract, on this request."""

    status = 500
    type = "server_error"
    default_code = "backend_failed"


class PoisonRequest(VoicegwError):
    """This very request was running at two crashes of a worker and is not tried again."""

    status = 500
    type = "server_error"
    default_code = "poison_request"
    should_retry = False


class WorkerLost(VoicegwError):
    """The worker died while it served the request."""

    status = 502
    type = "server_error"
    default_code = "worker_lost"


class Unavailable(VoicegwError):
    """No worker can serve now: it starts, it failed to load, or the server drains."""

    status = 503
    type = "server_error"
    default_code = "unavailable"
    should_retry = True


class DeadlineExceeded(VoicegwError):
    """The first audio was not there in time."""

    status = 504
    type = "server_error"
    default_code = "deadline_exceeded"


_KINDS: dict[str, type[VoicegwError]] = {
    kind.__name__: kind
    for kind in (
        InvalidRequest,
        TextTooLong,
        Unauthorized,
        NotFound,
        RequestTimeout,
        TooLarge,
        UnsupportedMedia,
        HeadersTooLarge,
        Overloaded,
        Cancelled,
        BackendFailed,
        PoisonRequest,
        WorkerLost,
        Unavailable,
        DeadlineExceeded,
    )
}
