"""The ids that the service gives."""

import re

from services.channel.ids import direct_channel_id, new_channel_id, requested_channel_id

FORM = re.compile(r"[A-Za-z0-9_-]{1,64}")


def test_a_direct_channels_id_is_the_same_whoever_asks() -> None:
    assert direct_channel_id("shop", ["alice", "bob"]) == direct_channel_id("shop", ["bob", "alice"])


def test_other_people_and_other_applications_have_other_direct_channels() -> None:
    pairs = [
        ("shop", ["alice", "bob"]),
        ("shop", ["alice", "carol"]),
        ("other", ["alice", "bob"]),
        ("shop", ["alic", "ebob"]),
    ]
    assert len({direct_channel_id(application, users) for application, users in pairs}) == len(pairs)


def test_a_request_makes_one_channel_per_creator_and_id() -> None:
    assert requested_channel_id("shop", "alice", "1") == requested_channel_id("shop", "alice", "1")
    requests = [("shop", "alice", "1"), ("shop", "alice", "2"), ("shop", "bob", "1"), ("shop", "", "alice1")]
    assert len({requested_channel_id(*request) for request in requests}) == len(requests)


def test_every_id_has_the_form_of_the_api() -> None:
    ids = [direct_channel_id("shop", ["é", "*>."]), requested_channel_id("shop", "", "\x00"), new_channel_id()]
    assert all(FORM.fullmatch(channel_id) for channel_id in ids)
    assert new_channel_id() != new_channel_id()
