"""Model servers a judge job starts on loopback, and the process that holds one."""
