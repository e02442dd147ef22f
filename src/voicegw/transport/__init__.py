"""Connections: how they are accepted, what their clients may keep the server waiting for, and how they end."""
