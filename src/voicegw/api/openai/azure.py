"""The form in which Azure's clients ask: the model, there a deployment, stands in the path."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from voicegw.api import body
from voicegw.api.openai.speech import answer
from voicegw.api.openai.transcribed import Intake, TranscriptionResponse
from voicegw.services.speech import SpeechService


def azure_routes(service: SpeechService, intake: Intake) -> APIRouter:
    """Make the routes; their ``api-version`` is not looked at."""
    routes = APIRouter(prefix="/openai/deployments/{model:path}", include_in_schema=False)

    @routes.post("/audio/speech", response_class=Response)
    async def speech(request: Request, model: str) -> Response:
        """Speak ``input`` with the model of the path, unless the body names one."""
        fields = await body.json_object(request)
        return answer(service, request, {**fields, "model": fields.get("model") or model})

    @routes.post("/audio/transcriptions", response_class=Response)
    async def transcriptions(model: str) -> Response:
        """Transcribe with the model of the path, unless the form names one."""
        return TranscriptionResponse(intake, "transcribe", model)

    @routes.post("/audio/translations", response_class=Response)
    async def translations(model: str) -> Response:
        """Translate with the model of the path, unless the form names one."""
        return TranscriptionResponse(intake, "translate", model)

    return routes
