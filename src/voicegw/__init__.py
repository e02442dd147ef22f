"""voicegw: one OpenAI-compatible speech server in front of pluggable speech models."""

__version__ = "0.1.0"
