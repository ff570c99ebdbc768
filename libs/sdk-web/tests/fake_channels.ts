/** ChannelService of the fake server. */

import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ChannelKind, type ChannelService, type UpdateChannelRequest } from "../src/gen/tertulia/chat/v1/channel_pb.js";
import { EventSchema } from "../src/gen/tertulia/chat/v1/event_pb.js";
import { type FakeRooms, inboxOf, type Seat } from "./fake_rooms.js";
import type { Unary } from "./fake_server.js";

export function channelMethods(rooms: FakeRooms, unary: Unary): Partial<ServiceImpl<typeof ChannelService>> {
  return {
    listMyChannels: unary("ListMyChannels", (_request, user) => ({
      channels: rooms.roomsOf(user).map((room) => rooms.mine(room, user)),
    })),
    listMembers: unary("ListMembers", ({ channelId }, user) => ({
      members: [...rooms.member(channelId, user).seats].map(([userId, { role, readSeq, deliveredSeq }]) => ({
        userId,
        role,
        readSeq: BigInt(readSeq),
        deliveredSeq: BigInt(deliveredSeq),
      })),
    })),
    createChannel: unary("CreateChannel", ({ kind, name, memberUserIds }, user) => {
      const id = kind === ChannelKind.DIRECT ? [user, ...memberUserIds].sort().join("-") : `group-${rooms.rooms.size}`;
      const room = rooms.rooms.get(id) ?? rooms.room(id, kind, user, ...memberUserIds);
      if (kind !== ChannelKind.DIRECT) room.name = name;
      return { channel: rooms.mine(room, user).channel };
    }),
    addMembers: unary("AddMembers", ({ channelId, userIds }, user) => {
      const room = rooms.member(channelId, user);
      rooms.admit(room, userIds);
      return { channel: rooms.mine(room, user).channel };
    }),
    removeMembers: unary("RemoveMembers", ({ channelId, userIds }, user) => {
      const room = rooms.member(channelId, user);
      for (const userId of userIds) rooms.remove(room, userId);
      return {};
    }),
    leaveChannel: unary("LeaveChannel", ({ channelId }, user) => {
      rooms.remove(rooms.member(channelId, user), user);
      return {};
    }),
    setMemberRole: unary("SetMemberRole", ({ channelId, userId, role }, user) => {
      const room = rooms.member(channelId, user);
      (room.seats.get(userId) as Seat).role = role;
      rooms.append(room, user, { case: "membershipChange", value: { roleChanges: [{ userId, role }] } as never });
      return {};
    }),
    updateChannel: unary("UpdateChannel", ({ channelId, fields }: UpdateChannelRequest, user) => {
      const room = rooms.member(channelId, user);
      room.name = fields?.name ?? room.name;
      rooms.append(room, user, { case: "channelChanged", value: { fields } as never });
      return { channel: rooms.mine(room, user).channel };
    }),
    advanceReadPosition: unary("AdvanceReadPosition", ({ channelId, readSeq }, user) => {
      const room = rooms.member(channelId, user);
      const seat = room.seats.get(user) as Seat;
      rooms.read(room, user, Math.max(seat.readSeq, Number(readSeq)));
      return { readSeq: BigInt(seat.readSeq) };
    }),
    advanceDeliveredPosition: unary("AdvanceDeliveredPosition", ({ channelId, deliveredSeq }, user) => {
      const room = rooms.member(channelId, user);
      const seat = room.seats.get(user) as Seat;
      seat.deliveredSeq = Math.max(seat.deliveredSeq, Number(deliveredSeq));
      const value = { logId: room.log.id, userId: user, deliveredSeq: BigInt(seat.deliveredSeq) } as never;
      rooms.tell(room, { case: "delivered", value });
      return { deliveredSeq: BigInt(seat.deliveredSeq) };
    }),
    setChannelPreferences: unary("SetChannelPreferences", (request, user) => {
      const room = rooms.member(request.channelId, user);
      const { preferences } = room.seats.get(user) as Seat;
      preferences.version += 1n;
      preferences.muted = request.muted ?? preferences.muted;
      preferences.pinned = request.pinned ?? preferences.pinned;
      preferences.hidden = request.hidden ?? preferences.hidden;
      preferences.markedUnread = request.markedUnread ?? preferences.markedUnread;
      if (request.hidden === true) preferences.hiddenMessageCount = BigInt(room.log.messageCount);
      const value = { channelId: room.id, logId: room.log.id, preferences: { ...preferences } } as never;
      const events = [create(EventSchema, { seq: 1n, content: { case: "channelPreferencesChanged", value } })];
      for (const feed of rooms.feeds)
        if (feed.user === user) feed.put({ slices: [{ logId: inboxOf(user), fromSeq: 1n, toSeq: 1n, events }] });
      return { preferences };
    }),
  };
}
