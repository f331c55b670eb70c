"""What the operating system and the interpreter are asked: files, processes, progress, plug-ins."""
