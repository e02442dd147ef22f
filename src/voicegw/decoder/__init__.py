"""What runs inside a decode worker: it makes audio of what people upload, with nothing to lose but itself."""
