"""The OpenAI audio API."""
