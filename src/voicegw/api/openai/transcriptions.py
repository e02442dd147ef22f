"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: an upload in, its transcript out."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from voicegw.api.openai.described_uploads import TRANSCRIPTIONS, TRANSLATIONS
from voicegw.api.openai.transcribed import Intake, TranscriptionResponse


def transcription_routes(intake: Intake) -> APIRouter:
    """Make the routes, without the prefix of the API's version."""
    routes = APIRouter()

    @routes.post("/audio/transcriptions", **TRANSCRIPTIONS)
    async def transcriptions() -> Response:
        """Write what is said in an audio file.

        It comes as a form, or as JSON with the audio in base64. With `stream` the text comes in events while it is
        heard. What has no effect on the model, or in the form that is asked for, is named in `x-voicegw-ignored`.
        """
        return TranscriptionResponse(intake, "transcribe")

    @routes.post("/audio/translations", **TRANSLATIONS)
    async def translations() -> Response:
        """Write in English what is said in an audio file of another language."""
        return TranscriptionResponse(intake, "translate")

    return routes
