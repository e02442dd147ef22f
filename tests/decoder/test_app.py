"""The application brings decode workers of its own, which nobody can name."""

from __future__ import annotations

import httpx
import pytest

from tests.decoder.workers import SOUND, WAV, clip
from tests.engine.kit import children
from voicegw.app import create_app
from voicegw.settings import Limits, Model, Settings


async def test_uploads_are_decoded_beside_the_models() -> None:
    settings = Settings(models=(Model(id="tone", backend="tone"),), limits=Limits(decode_workers=3, decoded_s=0.5))
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        made = await clip(app.state.decoder, WAV[: 44 + 16_000 * 2], max_s=10.0, raw="pcm_s16le/96000")
        assert made.source.duration_s == pytest.approx(16_022 / 96_000, abs=1e-4)
        with pytest.raises(Exception, match=r"more than the 0\.5 s of audio"):
            await clip(app.state.decoder, WAV, max_s=10.0)
        assert len(children()) == 4
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://voicegw", trust_env=False) as client:
            listed = (await client.get("/v1/models")).json()["data"]
            assert "decode" not in {entry["id"] for entry in listed}
            health = (await client.get("/health/ready")).json()
            assert set(health["models"]) == {"tone"}
            body = {"model": "decode", "input": "hello"}
            assert (await client.post("/v1/audio/speech", json=body)).status_code == 404
    assert not children()


async def test_a_decoder_serves_whoever_has_no_application() -> None:
    """As the command line does."""
    from voicegw.audio.decode import Decoder

    limits = Limits(decode_workers=1)
    async with Decoder(limits.decode_spec(), limits.decode_engine(), limits.decoded_s) as decoder:
        assert (await clip(decoder, WAV)).pcm.tolist() == SOUND.tolist()
    assert not children()
