"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: an upload in, its transcript out."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from voicegw.api.openai.described_uploads import described_upload
from voicegw.api.openai.transcribed import Intake, TranscriptionResponse


def transcription_routes(intake: Intake, input_chars: int) -> APIRouter:
    """Make the routes, without the prefix of the API's version.

    Args:
        intake: Where uploads go.
        input_chars: Characters that a prompt may have, as the document tells them.
    """
    routes = APIRouter()

    @routes.post("/audio/transcriptions", **described_upload("transcribe", input_chars))
    async def transcriptions() -> Response:
        """Write what is said in an audio file.

        It comes as a form, or as JSON with the audio in base64. With `stream` the text comes in events while it is
        heard. What has no effect on the model, or in the form that is asked for, is named in `x-voicegw-ignored`.
        """
        return TranscriptionResponse(intake, "transcribe")

    @routes.post("/audio/translations", **described_upload("translate", input_chars))
    async def translations() -> Response:
        """Write in English what is said in an audio file of another language."""
        return TranscriptionResponse(intake, "translate")

    return routes
