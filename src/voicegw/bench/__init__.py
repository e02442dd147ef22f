"""Measures a speech server under load, from the outside, on the machine where it runs."""
