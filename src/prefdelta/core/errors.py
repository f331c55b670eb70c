"""Errors for people: what was found, where, what is allowed, what to do."""


class StudyError(Exception):
    """Something a person can put right. Its text is the whole message; no traceback is shown."""
