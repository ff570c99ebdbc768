"""The public UserService."""

import grpc
from tertulia.chat.v1 import error_pb2, user_pb2, user_pb2_grpc

from libs.directory.keys import UserKey
from libs.directory.users import ProfileChange
from libs.rpc.caller import decode_caller
from libs.rpc.errors import PermissionDenied
from libs.rpc.validation import validate
from services.channel.people import People
from services.channel.public import to_user


class UserService(user_pb2_grpc.UserServiceServicer):
    """See tertulia/chat/v1/user.proto."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def UpsertUsers(  # noqa: N802 - the name is the proto's
        self,
        request: user_pb2.UpsertUsersRequest,
        context: grpc.aio.ServicerContext[user_pb2.UpsertUsersRequest, user_pb2.UpsertUsersResponse],
    ) -> user_pb2.UpsertUsersResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        if not caller.server and any(profile.user_id != caller.user_id for profile in request.users):
            raise PermissionDenied(
                "a user's token changes only that user; use a server key",
                error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED,
            )
        users = await self._people.upsert(
            [
                ProfileChange(
                    key=UserKey(caller.application_id, profile.user_id),
                    name=profile.name if profile.HasField("name") else None,
                    avatar_url=profile.avatar_url if profile.HasField("avatar_url") else None,
                )
                for profile in request.users
            ]
        )
        return user_pb2.UpsertUsersResponse(users=[to_user(user) for user in users])

    async def GetUser(  # noqa: N802
        self,
        request: user_pb2.GetUserRequest,
        context: grpc.aio.ServicerContext[user_pb2.GetUserRequest, user_pb2.GetUserResponse],
    ) -> user_pb2.GetUserResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        [user] = await self._people.existing([UserKey(caller.application_id, request.user_id)])
        return user_pb2.GetUserResponse(user=to_user(user))
