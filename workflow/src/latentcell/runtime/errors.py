"""The exception for unusable input; its message says how to correct it."""


class InputError(ValueError):
    """Input of the user is unusable.

    The message is one sentence that names the file, key or cell, what was expected and what was
    found. Scripts print it without a traceback and exit with status 1.
    """
