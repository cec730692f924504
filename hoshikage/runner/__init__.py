"""The process that loads libllama: pipes, limits, the examination."""
