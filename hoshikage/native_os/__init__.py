"""Does what needs ctypes without libllama: interrupting a thread, dying with the parent."""
