"""OwnerService: who owns what, and the handing over of shards."""

from tertulia_internal.message_store.v1 import owner_pb2, owner_pb2_grpc

from libs.log_store import SHARDS, Ring
from libs.rpc.errors import FieldsInvalid, FieldViolation


class OwnerService(owner_pb2_grpc.OwnerServiceServicer):
    """See owner.proto."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    async def ListOwners(
        self,
        request: owner_pb2.ListOwnersRequest,
        context: object,
    ) -> owner_pb2.ListOwnersResponse:
        owners = self._ring.owners().items()
        return owner_pb2.ListOwnersResponse(
            owners=[owner_pb2.ShardsOfOwner(address=address, shards=shards) for address, shards in owners],
            address=self._ring.address,
        )

    async def HandOver(
        self,
        request: owner_pb2.HandOverRequest,
        context: object,
    ) -> owner_pb2.HandOverResponse:
        if not all(0 <= shard < SHARDS for shard in request.shards):
            raise FieldsInvalid([FieldViolation("shards", f"must be 0 to {SHARDS - 1}")])
        if not request.heir:
            raise FieldsInvalid([FieldViolation("heir", "must not be empty")])
        given = await self._ring.hand_over(request.shards, request.heir)
        return owner_pb2.HandOverResponse(
            given=[owner_pb2.GivenShard(shard=shard, epoch=epoch) for shard, epoch in given.items()]
        )
