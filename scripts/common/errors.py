"""The one error class for what the user can mend."""


class InputError(ValueError):
    """The user's data, configuration or machine is not as needed.

    The message says what was wrong, in which file and row, and what to do; programs end with it instead of a traceback.
    """
