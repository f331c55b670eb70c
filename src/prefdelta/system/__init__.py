"""Use of the operating system and the interpreter: files, processes, progress, plug-ins."""
