"""What is told of an exception."""

import gc
import weakref

import pytest
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import Internal, NotFound
from libs.rpc.faults import clean


class Session:
    """Ends by an error that it keeps."""

    def __init__(self) -> None:
        self.error = NotFound("no such channel", error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND)

    def run(self) -> None:
        try:
            int("nothing")
        except ValueError:
            raise self.error from None


def test_an_error_holds_nothing_of_where_it_came_from() -> None:
    session = Session()
    departed = weakref.ref(session)
    with pytest.raises(NotFound) as caught:
        session.run()
    told = clean(caught.value)
    del session, caught
    assert told.reason == error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND
    gc.disable()
    try:
        assert departed() is None
    finally:
        gc.enable()


def test_what_is_no_error_of_ours_is_hidden() -> None:
    with pytest.raises(ValueError, match="hunter2") as caught:
        raise ValueError("the password is hunter2")
    told = clean(caught.value)
    assert isinstance(told, Internal)
    assert "hunter2" not in str(told)
