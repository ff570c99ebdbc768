"""The unary methods of the fake gateway, one service after the other."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import grpc
import protovalidate
from google.protobuf.message import Message as ProtoMessage
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, message_pb2, user_pb2

from tests.unit.sdk.fake_log import Log, Refusal

Handler = Callable[[bytes, str], ProtoMessage]
Request = TypeVar("Request", bound=ProtoMessage)


class World(Protocol):
    """What the methods see and change of the gateway."""

    logs: dict[str, Log]
    users: dict[str, user_pb2.User]
    blocks: dict[str, set[str]]

    def channel(self, channel_id: str, *members: str) -> Log: ...
    def log_of(self, channel_id: str, by: str) -> Log: ...
    def tell(self, log: Log, after: int) -> None: ...
    def join(self, channel_id: str, user_id: str) -> None: ...
    def leave(self, channel_id: str, user_id: str) -> None: ...
    def change(self, channel_id: str, **content: ProtoMessage) -> event_pb2.Event: ...
    def prefer(self, channel_id: str, user_id: str, **wanted: bool) -> event_pb2.ChannelPreferences: ...
    def read(self, log: Log, user_id: str, seq: int) -> None: ...


def methods(world: World) -> Mapping[str, Handler]:
    """All methods, by "<Service>/<Method>"."""
    return {
        **_messages(world),
        **_channels(world),
        **_members(world),
        **_users(world),
    }


def _checked(request_type: type[Request], request: bytes) -> Request:
    parsed = request_type.FromString(request)
    protovalidate.validate(parsed)
    return parsed


def _messages(world: World) -> Mapping[str, Handler]:
    def list_events(data: bytes, by: str) -> ProtoMessage:
        request = _checked(message_pb2.ListEventsRequest, data)
        log = world.log_of(request.channel_id, by)
        to = min(log.head, request.after_seq + (request.page_size or 200))
        return message_pb2.ListEventsResponse(slice=log.slice(request.after_seq, to))

    def list_messages(data: bytes, by: str) -> ProtoMessage:
        request = _checked(message_pb2.ListMessagesRequest, data)
        return _page(world.log_of(request.channel_id, by), request)

    def amend(log: Log, seq: int, event: event_pb2.Event) -> event_pb2.Event:
        for there in log.events:
            if (there.sender_user_id, there.client_id) == (event.sender_user_id, event.client_id):
                return there
        log.amend(event, seq)
        world.tell(log, log.head - 1)
        return event

    def edit(data: bytes, by: str) -> ProtoMessage:
        request = _checked(message_pb2.EditMessageRequest, data)
        edited = event_pb2.MessageEdited(target_seq=request.seq, message=request.message)
        event = event_pb2.Event(sender_user_id=by, client_id=request.client_id, message_edited=edited)
        done = amend(world.log_of(request.channel_id, by), request.seq, event)
        return message_pb2.EditMessageResponse(seq=done.seq, time_ms=done.time_ms)

    def delete(data: bytes, by: str) -> ProtoMessage:
        request = _checked(message_pb2.DeleteMessageRequest, data)
        log = world.log_of(request.channel_id, by)
        answered = log.events[request.seq - 1].message.reply_to_seq if request.seq <= log.head else 0
        deleted = event_pb2.MessageDeleted(target_seq=request.seq, reply_to_seq=answered)
        event = event_pb2.Event(sender_user_id=by, client_id=request.client_id, message_deleted=deleted)
        done = amend(log, request.seq, event)
        return message_pb2.DeleteMessageResponse(seq=done.seq, time_ms=done.time_ms)

    def react(data: bytes, by: str) -> ProtoMessage:
        request = _checked(message_pb2.AddReactionRequest, data)
        change = event_pb2.ReactionChanged(target_seq=request.seq, key=request.key)
        event = event_pb2.Event(sender_user_id=by, client_id=request.client_id, reaction_changed=change)
        done = amend(world.log_of(request.channel_id, by), request.seq, event)
        return message_pb2.AddReactionResponse(seq=done.seq, time_ms=done.time_ms)

    def unreact(data: bytes, by: str) -> ProtoMessage:
        request = _checked(message_pb2.RemoveReactionRequest, data)
        change = event_pb2.ReactionChanged(target_seq=request.seq, key=request.key, removed=True)
        event = event_pb2.Event(sender_user_id=by, client_id=request.client_id, reaction_changed=change)
        done = amend(world.log_of(request.channel_id, by), request.seq, event)
        return message_pb2.RemoveReactionResponse(seq=done.seq, time_ms=done.time_ms)

    return {
        "MessageService/ListEvents": list_events,
        "MessageService/ListMessages": list_messages,
        "MessageService/EditMessage": edit,
        "MessageService/DeleteMessage": delete,
        "MessageService/AddReaction": react,
        "MessageService/RemoveReaction": unreact,
    }


def _page(log: Log, request: message_pb2.ListMessagesRequest) -> message_pb2.ListMessagesResponse:
    said = log.messages()
    size = min(request.page_size or 50, 200)
    if request.page_token:
        way, _, at = request.page_token.partition(":")
        forward, seq = way == "newer", int(at)
    else:
        forward, seq = request.HasField("after_seq"), request.after_seq or request.before_seq or log.head + 1
        seq = request.after_seq if forward else seq
    page = [e for e in said if e.seq > seq][:size] if forward else [e for e in said if e.seq < seq][-size:]
    response = message_pb2.ListMessagesResponse(events=page, head_seq=log.head)
    if page and page[0].seq > said[0].seq:
        response.older_page_token = f"older:{page[0].seq}"
    if page and page[-1].seq < said[-1].seq:
        response.newer_page_token = f"newer:{page[-1].seq}"
    return response


def _channels(world: World) -> Mapping[str, Handler]:
    def get(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.GetChannelRequest, data)
        return channel_pb2.GetChannelResponse(channel=world.log_of(request.channel_id, by).proto())

    def create(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.CreateChannelRequest, data)
        members = {*request.member_user_ids, *([by] if by else [])}
        channel_id = request.channel_id or "d_" + "-".join(sorted(members))
        log = world.logs.get(channel_id) or world.channel(channel_id, *members)
        log.kind = request.kind
        return channel_pb2.CreateChannelResponse(channel=log.proto())

    def update(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.UpdateChannelRequest, data)
        log = world.log_of(request.channel_id, by)
        if request.etag not in {"", log.proto().etag}:
            raise Refusal(grpc.StatusCode.ABORTED, error_pb2.ERROR_REASON_ETAG_MISMATCH)
        request.update_mask.MergeMessage(request.fields, log.fields)
        world.change(request.channel_id, channel_changed=event_pb2.ChannelChanged(fields=log.fields))
        return channel_pb2.UpdateChannelResponse(channel=log.proto())

    def delete(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.DeleteChannelRequest, data)
        world.log_of(request.channel_id, by)
        world.change(request.channel_id, channel_deleted=event_pb2.ChannelDeleted())
        del world.logs[request.channel_id]
        return channel_pb2.DeleteChannelResponse()

    def open_channels(data: bytes, _by: str) -> ProtoMessage:
        prefix = _checked(channel_pb2.ListOpenChannelsRequest, data).name_prefix
        found = [log.proto() for log in world.logs.values() if log.kind == channel_pb2.CHANNEL_KIND_OPEN]
        return channel_pb2.ListOpenChannelsResponse(channels=[each for each in found if each.name.startswith(prefix)])

    def mine(_data: bytes, by: str) -> ProtoMessage:
        blocked = world.blocks.get(by, set())
        channels = [log.mine(by, blocked) for log in world.logs.values() if by in log.members]
        return channel_pb2.ListMyChannelsResponse(channels=channels)

    def preferences(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.SetChannelPreferencesRequest, data)
        world.log_of(request.channel_id, by)
        wanted = {field.name: value for field, value in request.ListFields() if field.name != "channel_id"}
        return channel_pb2.SetChannelPreferencesResponse(preferences=world.prefer(request.channel_id, by, **wanted))

    def read(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.AdvanceReadPositionRequest, data)
        log = world.log_of(request.channel_id, by)
        if request.read_seq > log.head:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_POSITION_ABOVE_HEAD)
        world.read(log, by, request.read_seq)
        return channel_pb2.AdvanceReadPositionResponse(read_seq=log.reads[by])

    return {
        "ChannelService/GetChannel": get,
        "ChannelService/CreateChannel": create,
        "ChannelService/UpdateChannel": update,
        "ChannelService/DeleteChannel": delete,
        "ChannelService/ListOpenChannels": open_channels,
        "ChannelService/ListMyChannels": mine,
        "ChannelService/SetChannelPreferences": preferences,
        "ChannelService/AdvanceReadPosition": read,
    }


def _members(world: World) -> Mapping[str, Handler]:
    def add(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.AddMembersRequest, data)
        log = world.log_of(request.channel_id, by)
        log.members.update(request.user_ids)
        return channel_pb2.AddMembersResponse(channel=log.proto())

    def join(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.JoinChannelRequest, data)
        world.join(request.channel_id, by)
        return channel_pb2.JoinChannelResponse(channel=world.logs[request.channel_id].proto())

    def leave(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.LeaveChannelRequest, data)
        world.log_of(request.channel_id, by)
        world.leave(request.channel_id, by)
        return channel_pb2.LeaveChannelResponse()

    def role(data: bytes, by: str) -> ProtoMessage:
        request = _checked(channel_pb2.SetMemberRoleRequest, data)
        log = world.log_of(request.channel_id, by)
        log.roles[request.user_id] = request.role
        change = event_pb2.RoleChange(user_id=request.user_id, role=request.role)
        world.change(request.channel_id, membership_change=event_pb2.MembershipChange(role_changes=[change]))
        return channel_pb2.SetMemberRoleResponse(member=_member(log, request.user_id))

    def members(data: bytes, by: str) -> ProtoMessage:
        log = world.log_of(_checked(channel_pb2.ListMembersRequest, data).channel_id, by)
        return channel_pb2.ListMembersResponse(members=[_member(log, user_id) for user_id in sorted(log.members)])

    return {
        "ChannelService/AddMembers": add,
        "ChannelService/JoinChannel": join,
        "ChannelService/LeaveChannel": leave,
        "ChannelService/SetMemberRole": role,
        "ChannelService/ListMembers": members,
    }


def _member(log: Log, user_id: str) -> channel_pb2.Member:
    read = log.reads.get(user_id, 0)
    return channel_pb2.Member(
        user_id=user_id,
        role=log.mine(user_id).role,
        read_seq=read,
        delivered_seq=max(read, log.deliveries.get(user_id, 0)),
    )


def _users(world: World) -> Mapping[str, Handler]:
    def upsert(data: bytes, _by: str) -> ProtoMessage:
        request = _checked(user_pb2.UpsertUsersRequest, data)
        for profile in request.users:
            user = world.users.setdefault(profile.user_id, user_pb2.User(user_id=profile.user_id))
            if profile.HasField("name"):
                user.name = profile.name
        return user_pb2.UpsertUsersResponse(users=[world.users[p.user_id] for p in request.users])

    def get(data: bytes, _by: str) -> ProtoMessage:
        user_id = _checked(user_pb2.GetUserRequest, data).user_id
        if user_id not in world.users:
            raise Refusal(grpc.StatusCode.NOT_FOUND, error_pb2.ERROR_REASON_USER_NOT_FOUND)
        return user_pb2.GetUserResponse(user=world.users[user_id])

    def block(data: bytes, by: str) -> ProtoMessage:
        world.blocks.setdefault(by, set()).add(_checked(user_pb2.BlockUserRequest, data).user_id)
        return user_pb2.BlockUserResponse()

    def unblock(data: bytes, by: str) -> ProtoMessage:
        world.blocks.setdefault(by, set()).discard(_checked(user_pb2.UnblockUserRequest, data).user_id)
        return user_pb2.UnblockUserResponse()

    def blocked(_data: bytes, by: str) -> ProtoMessage:
        users = [user_pb2.User(user_id=user_id) for user_id in sorted(world.blocks.get(by, ()))]
        return user_pb2.ListBlockedUsersResponse(users=users)

    return {
        "UserService/UpsertUsers": upsert,
        "UserService/GetUser": get,
        "UserService/BlockUser": block,
        "UserService/UnblockUser": unblock,
        "UserService/ListBlockedUsers": blocked,
    }
