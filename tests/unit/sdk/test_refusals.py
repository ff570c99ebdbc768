"""What the command makes of a server's no."""

import pytest
import tertulia
from tertulia.cli.refusals import explained
from tertulia.errors import FieldViolation

PATTERN = "does not match regex pattern `^[A-Za-z0-9_-]{1,64}$`"


def refusal(field: str, description: str) -> tertulia.InvalidArgument:
    """As a server words it: its message names the first field."""
    violations = [FieldViolation(field, description)]
    return tertulia.InvalidArgument(f"{field}: {description}", "FIELD_INVALID", field_violations=violations)


@pytest.mark.parametrize("field", ["channel_id", "sends[0].channel_id"])
def test_a_rule_that_is_written_for_machines_is_said_in_words_and_once(field: str) -> None:
    assert explained(refusal(field, PATTERN)) == "a channel id has 1 to 64 letters, digits, _ or - (FIELD_INVALID)"


def test_a_field_is_named_without_the_place_it_had_in_a_request() -> None:
    assert explained(refusal("sends[0].message.text", "is too long")) == "message.text: is too long (FIELD_INVALID)"


def test_what_to_do_is_said_as_a_command() -> None:
    missing = tertulia.NotFound("no user 'zed'; create users with UserService.UpsertUsers", "USER_NOT_FOUND")
    assert explained(missing) == "no user 'zed'; create users with `tertulia users set USER` (USER_NOT_FOUND)"
