"""The server's side of the engine: queues, the models' states, the runners."""
