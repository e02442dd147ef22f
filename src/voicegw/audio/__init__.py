"""Audio between a model and a listener: formats, resampling, encoding."""
