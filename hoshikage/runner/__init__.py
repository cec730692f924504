"""This is the process that loads libllama: pipes, limits, the examination."""
