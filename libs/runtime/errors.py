"""What keeps a process from starting."""


class CannotStart(Exception):
    """Something that the operator can mend: a bad setting, a taken address, a locked database.

    The message is one line that says what is the matter and what to do. `run_service` logs it and exits with code 1.
    """


def causes_of(error: BaseException) -> list[BaseException]:
    """The exceptions inside of groups: what fails beside a background task comes wrapped in one."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes_of(inner)]
    return [error]
