"""Model servers that a judge job starts on loopback, and the process that runs one."""
