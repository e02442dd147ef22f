"""The settings: one frozen tree that holds every limit of the system.

Only the command line and the application read it; they hand its parts down as plain values. Where the values come
from is the business of :mod:`voicegw.settings_load`; made directly, ``Settings(...)`` reads no file and no variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from voicegw.engine.spec import EngineLimits, ModelSpec
from voicegw.settings_checks import inconsistencies
from voicegw.settings_values import (
    OPENAI_SPEECH_NAMES,
    OPENAI_TRANSCRIPTION_NAMES,
    Address,
    Bytes,
    Count,
    ExistingFile,
    Language,
    Name,
    Origin,
    Seconds,
    SecondsOrNone,
    Sha256,
)
from voicegw.transport.limits import ConnectionLimits


class _Part(BaseModel):
    """What all parts of the tree share: they are frozen, and refuse keys that they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiKey(_Part):
    """A key that may be used, known by its hash only; written as the bare hash, it has no limits.

    Attributes:
        sha256: Of the key, in hexadecimal.
        name: For people; the tenant's too where that has none of its own.
        tenant: Keys with the same one count as one client where waiting requests take turns.
        concurrent: Requests at the same time; None = any number.
        requests_per_minute: None = any number.
    """

    sha256: Sha256
    name: Name | None = None
    tenant: Name | None = None
    concurrent: Count | None = None
    requests_per_minute: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return {"sha256": given} if isinstance(given, str) else given

    def account(self) -> str:
        """Give the tenant, or what stands for it."""
        return self.tenant or self.name or self.sha256[:12]


class Server(_Part):
    """Where the server listens, and to whom; port 0 takes a free one. With a certificate and its key it speaks TLS.

    Attributes:
        api_keys: Who may ask; () is everybody.
        public_discovery: Whether models, voices and documentation are listed without a key.
        public_metrics: Whether ``/metrics`` is answered without a key.
        cors_origins: Origins whose pages may ask from a browser; ``*`` is all.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    tls_cert: ExistingFile | None = None
    tls_key: ExistingFile | None = None
    api_keys: tuple[ApiKey, ...] = ()
    public_discovery: bool = True
    public_metrics: bool = True
    cors_origins: tuple[Origin, ...] = ()


class Model(_Part):
    """One model to serve; see :class:`voicegw.engine.spec.ModelSpec` for what the fields mean."""

    id: Name
    backend: Name
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    devices: tuple[str, ...] = ()
    memory_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    python: ExistingFile | None = None
    preload: bool = True
    idle_unload_s: Seconds | None = None
    required: bool = False
    parameters: dict[str, Any] = Field(default_factory=dict)

    def spec(self) -> ModelSpec:
        """Give the entry as the engine takes it."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return ModelSpec(**{**fields, "python": str(self.python) if self.python else None})


USUAL_MODELS: Final = (Model(id="espeak", backend="espeak", workers=2), Model(id="tone", backend="tone"))
"""The models that are served where nobody configures any."""


class Defaults(_Part):
    """What serves a request that names none: models by kind, the cloning model, the language."""

    speech: str = "espeak"
    clone: str | None = "tone"
    transcription: str | None = None
    language: Language = "en"


class Limits(_Part):
    """Every limit of the system.

    Attributes:
        connections: Connections at a time, as far as the system's limit of open files allows.
        headers_s: Seconds within which a connection must bring the whole head of a request; a TLS handshake counts.
        header_bytes: Size of that head.
        keep_alive_s: Seconds that a connection may be idle between two requests. Clients should be the first to give
            one up, for a request may cross with the server's close: httpx and OpenAI's clients in Python do so after 5,
            Node after 4 or 5, aiohttp after 15, .NET, nginx and AWS's load balancers after 60.
        body_idle_s: Seconds that a request's body may pause while the server waits for it.
        body_bytes_per_s: Slowest that a body may come: each second that a pause takes has to be earned by so many.
        write_idle_s: Seconds within which a client must take some of what is sent to it, however little.
        json_bytes: Size of a JSON body.
        upload_bytes: Size of an uploaded file.
        upload_memory_bytes: Uploads that are held in memory at a time, all requests together.
        decoded_s: Seconds of audio that an upload may decode to.
        decode_workers: Processes that decode uploads, one at a time each.
        decode_queue: Uploads that may wait for one of them.
        decode_memory_bytes: Memory that decoding may take beyond what such a process has at its start.
        decode_stuck_s: Seconds of computing without getting on, after which a process that decodes is ended.
        decode_wall_s: Seconds that decoding one upload may take, the time of its sender and listener left out.
        decode_renew: Uploads after which a process that decodes is replaced.
        input_chars: Characters of one speech request.
        queue_per_slot: Requests that may wait for one slot of a model.
        first_audio_s: Seconds within which a request must give its first audio.
        drain_s: Seconds that live streams have to finish once the server is told to stop.
        stream_bytes: Audio of one stream that may wait for its listener.
        voice_cache_bytes: Prepared voices that one worker keeps.
        voice_bytes: Size of one voice as it is sent to a worker.
        worker_ping_s: Seconds between two pings to a worker.
        worker_hang_s: Seconds without an answer after which a worker is replaced.
        load_s: Seconds that a model may take to load.
        stall_s: Seconds that a model may pause in the middle of its audio.
        restart_base_s: First pause before a crashed worker is started again; doubled at each further crash.
        restart_max_s: Longest pause between two starts.
        crashes: Crashes within ``crash_window_s`` seconds after which a model rests for ``restart_max_s``.
        crash_window_s: See ``crashes``.
        result_cache_s: Seconds that an answer is kept for a client that did not get it; 0 = not at all.
        result_cache_bytes: Size of all answers that are kept so, those being made included.
    """

    connections: Count = 10_000
    headers_s: Seconds = 10.0
    header_bytes: Bytes = 64 * 2**10
    keep_alive_s: Seconds = 75.0
    body_idle_s: Seconds = 10.0
    body_bytes_per_s: Bytes = 500
    write_idle_s: Seconds = 60.0
    json_bytes: Bytes = 16 * 2**20
    upload_bytes: Bytes = 25 * 2**20
    upload_memory_bytes: Bytes = 256 * 2**20
    decoded_s: Seconds = 4 * 3600.0
    decode_workers: Annotated[int, Field(ge=1, le=64)] = 2
    decode_queue: Annotated[int, Field(ge=0)] = 32
    decode_memory_bytes: Bytes = 256 * 2**20
    decode_stuck_s: Seconds = 2.0
    decode_wall_s: Seconds = 300.0
    decode_renew: Count = 1000
    input_chars: Count = 100_000
    queue_per_slot: Annotated[int, Field(ge=0)] = 4
    first_audio_s: Seconds = 30.0
    drain_s: Seconds = 30.0
    stream_bytes: Bytes = 2 * 2**20
    voice_cache_bytes: Bytes = 2**30
    voice_bytes: Bytes = 64 * 2**20
    worker_ping_s: Seconds = 2.5
    worker_hang_s: Seconds = 10.0
    load_s: Seconds = 600.0
    stall_s: Seconds = 60.0
    restart_base_s: Seconds = 0.1
    restart_max_s: Seconds = 60.0
    crashes: Count = 5
    crash_window_s: Seconds = 60.0
    result_cache_s: SecondsOrNone = 60.0
    result_cache_bytes: Bytes = 64 * 2**20

    def transport(self) -> ConnectionLimits:
        """Give the limits of connections, as the server takes them."""
        return ConnectionLimits(
            connections=self.connections,
            headers_s=self.headers_s,
            header_bytes=self.header_bytes,
            keep_alive_s=self.keep_alive_s,
            write_idle_s=self.write_idle_s,
        )

    def engine(self) -> EngineLimits:
        """Give the limits that the engine keeps, as it takes them."""
        return EngineLimits(
            queue_per_slot=self.queue_per_slot,
            stream_bytes=self.stream_bytes,
            voice_cache_bytes=self.voice_cache_bytes,
            voice_bytes=self.voice_bytes,
            ping_s=self.worker_ping_s,
            hang_s=self.worker_hang_s,
            load_s=self.load_s,
            stall_s=self.stall_s,
            restart_base_s=self.restart_base_s,
            restart_max_s=self.restart_max_s,
            crashes=self.crashes,
            crash_window_s=self.crash_window_s,
        )

    def decode_spec(self) -> ModelSpec:
        """Give what decodes uploads as the engine takes it: a model that nobody can name."""
        return ModelSpec(
            "decode",
            "decode",
            workers=self.decode_workers,
            expendable=True,
            renew_after=self.decode_renew,
            renew_growth_bytes=self.decode_memory_bytes // 2,
            parameters={
                "upload_bytes": self.upload_bytes,
                "memory_bytes": self.decode_memory_bytes,
                "stuck_s": self.decode_stuck_s,
                "wall_s": self.decode_wall_s,
            },
        )

    def decode_engine(self) -> EngineLimits:
        """Give the limits of the engine that decodes; what stalls there is ended by itself, a little sooner."""
        return replace(
            self.engine(),
            queue_per_slot=self.decode_queue,
            stall_s=self.decode_wall_s + self.worker_hang_s,
        )


class Logging(_Part):
    """How much is logged, and whether as JSON lines or as coloured text."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Tracing(_Part):
    """OpenTelemetry spans of requests; needs the extra ``otel``.

    Attributes:
        enabled: Whether spans are made and sent.
        endpoint: Root of the collector, by OTLP over HTTP; None = that of the ``OTEL_*`` variables.
        flush_s: Seconds that the last spans may take to be sent when the server ends, up to 3.
    """

    enabled: bool = False
    endpoint: Address | None = None
    flush_s: Annotated[Seconds, Field(le=3)] = 2.0


class Settings(BaseSettings):
    """The whole tree.

    Attributes:
        aliases: Further names of models: alias to model id.
        voice_aliases: Further names of voices: model id to language (``*`` for any) to alias to voice id.
        lexicon: File that says how words are said; see :class:`voicegw.text.lexicon.Lexicon`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="VOICEGW_", env_nested_delimiter="__")

    server: Server = Server()
    models: tuple[Model, ...] = USUAL_MODELS
    aliases: dict[Name, str] = Field(default_factory=dict)
    voice_aliases: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)
    lexicon: ExistingFile | None = None
    defaults: Defaults = Defaults()
    limits: Limits = Limits()
    logging: Logging = Logging()
    tracing: Tracing = Tracing()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing but the arguments: looking at the surroundings is left to :mod:`voicegw.settings_load`."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Let a built-in default model that is not configured give way to the first one that is."""
        return _with_defaults(given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        problems = list(inconsistencies(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def all_aliases(self) -> dict[str, str]:
        """Give alias to model id: the configured aliases, and OpenAI's names that nothing else claims."""
        meant = dict.fromkeys(OPENAI_SPEECH_NAMES, self.defaults.speech)
        if self.defaults.transcription is not None:
            meant |= dict.fromkeys(OPENAI_TRANSCRIPTION_NAMES, self.defaults.transcription)
        taken = {model.id for model in self.models}
        return {**{name: model for name, model in meant.items() if name not in taken}, **self.aliases}

    def without_model(self) -> dict[str, str]:
        """Give the names that clients know although no model has them here, each with what to configure."""
        if self.defaults.transcription is not None:
            return {}
        advice = "no model transcribes; add one that does to 'models' and name it in 'defaults.transcription'"
        return dict.fromkeys(OPENAI_TRANSCRIPTION_NAMES, advice)


def merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: mappings merge, everything else of ``high`` replaces what ``low`` has."""
    result = dict(low)
    for key, value in high.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]  # both are mappings here
    return result


def _with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    models, configured = given.get("models", USUAL_MODELS), given.get("defaults", {})
    if not (isinstance(models, list | tuple) and isinstance(configured, Mapping)):
        return given
    ids = [str(_id(entry)) for entry in models]
    usual = {"speech": "espeak" if "espeak" in ids or not ids else ids[0], "clone": "tone" if "tone" in ids else None}
    return {**given, "defaults": {**usual, **configured}}


def _id(entry: Any) -> Any:
    return entry.get("id") if isinstance(entry, Mapping) else getattr(entry, "id", None)
