"""Protocol families: wire format to domain objects and back, nothing else."""
