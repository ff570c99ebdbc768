"""The public UserService."""

import grpc
from tertulia.chat.v1 import error_pb2, user_pb2, user_pb2_grpc

from libs.directory.keys import UserKey
from libs.directory.revocations import TokenHolder
from libs.rpc.caller import Caller, decode_caller
from libs.rpc.errors import PermissionDenied
from libs.rpc.validation import validate
from services.channel.blocks import Blocks
from services.channel.listings import Listings
from services.channel.people import People, ProfileChange
from services.channel.public import to_user
from services.channel.revocations import Revocations
from services.channel.rules import acting_user


class UserService(user_pb2_grpc.UserServiceServicer):
    """See tertulia/chat/v1/user.proto."""

    def __init__(self, people: People, listings: Listings, blocks: Blocks, revocations: Revocations) -> None:
        self._people = people
        self._listings = listings
        self._blocks = blocks
        self._revocations = revocations

    async def UpsertUsers(
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

    async def GetUser(
        self,
        request: user_pb2.GetUserRequest,
        context: grpc.aio.ServicerContext[user_pb2.GetUserRequest, user_pb2.GetUserResponse],
    ) -> user_pb2.GetUserResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        [user] = await self._people.existing([UserKey(caller.application_id, request.user_id)])
        return user_pb2.GetUserResponse(user=to_user(user))

    async def ListUsers(
        self,
        request: user_pb2.ListUsersRequest,
        context: grpc.aio.ServicerContext[user_pb2.ListUsersRequest, user_pb2.ListUsersResponse],
    ) -> user_pb2.ListUsersResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        page = await self._listings.users(caller, request.page_size, request.page_token)
        return user_pb2.ListUsersResponse(
            users=[to_user(user) for user in page.items], next_page_token=page.next_page_token
        )

    async def SearchUsers(
        self,
        request: user_pb2.SearchUsersRequest,
        context: grpc.aio.ServicerContext[user_pb2.SearchUsersRequest, user_pb2.SearchUsersResponse],
    ) -> user_pb2.SearchUsersResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        page = await self._listings.search_users(caller, request.name_prefix, request.page_size, request.page_token)
        return user_pb2.SearchUsersResponse(
            users=[to_user(user) for user in page.items], next_page_token=page.next_page_token
        )

    async def BlockUser(
        self,
        request: user_pb2.BlockUserRequest,
        context: grpc.aio.ServicerContext[user_pb2.BlockUserRequest, user_pb2.BlockUserResponse],
    ) -> user_pb2.BlockUserResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        await self._blocks.block(_user_of(caller), request.user_id)
        return user_pb2.BlockUserResponse()

    async def UnblockUser(
        self,
        request: user_pb2.UnblockUserRequest,
        context: grpc.aio.ServicerContext[user_pb2.UnblockUserRequest, user_pb2.UnblockUserResponse],
    ) -> user_pb2.UnblockUserResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        await self._blocks.unblock(_user_of(caller), request.user_id)
        return user_pb2.UnblockUserResponse()

    async def ListBlockedUsers(
        self,
        request: user_pb2.ListBlockedUsersRequest,
        context: grpc.aio.ServicerContext[user_pb2.ListBlockedUsersRequest, user_pb2.ListBlockedUsersResponse],
    ) -> user_pb2.ListBlockedUsersResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        page = await self._listings.blocked_by(caller, acting_user(caller), request.page_size, request.page_token)
        return user_pb2.ListBlockedUsersResponse(
            users=[to_user(user) for user in page.items], next_page_token=page.next_page_token
        )

    async def RevokeTokens(
        self,
        request: user_pb2.RevokeTokensRequest,
        context: grpc.aio.ServicerContext[user_pb2.RevokeTokensRequest, user_pb2.RevokeTokensResponse],
    ) -> user_pb2.RevokeTokensResponse:
        caller = decode_caller(context.invocation_metadata() or ())
        validate(request)
        if not caller.server:
            raise PermissionDenied("only a server key revokes tokens", error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED)
        holder = TokenHolder(caller.application_id, request.user_id, request.session_id)
        held_ms = await self._revocations.revoke(holder, request.issued_before_ms)
        return user_pb2.RevokeTokensResponse(issued_before_ms=held_ms)


def _user_of(caller: Caller) -> UserKey:
    return UserKey(caller.application_id, acting_user(caller))
