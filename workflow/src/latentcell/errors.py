"""The one exception that means "the input is at fault, and here is how"."""


class InputError(ValueError):
    """Something the user gave is unusable.

    The message is one sentence that names the file, key or cell, what was expected and what
    was found. Scripts print it without a traceback and exit with status 1.
    """
