"""This is the server's side of the engine: queues, the models' states, the runners."""
