"""What the operating system and the interpreter are asked: files, processes, events and progress, plug-ins."""
