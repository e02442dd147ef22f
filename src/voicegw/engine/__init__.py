"""Workers: the processes that own the models, and the one wire between them and the gateway."""
