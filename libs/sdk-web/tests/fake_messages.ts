/** MessageService of the fake server. */

import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { Event } from "../src/gen/tertulia/chat/v1/event_pb.js";
import type { MessageService } from "../src/gen/tertulia/chat/v1/message_pb.js";
import { refusal } from "./fake_refusals.js";
import type { Content, FakeRooms } from "./fake_rooms.js";
import type { Unary } from "./fake_server.js";

export function messageMethods(rooms: FakeRooms, unary: Unary): Partial<ServiceImpl<typeof MessageService>> {
  return {
    sendMessage: unary("SendMessage", ({ channelId, clientMessageId, message }, user) => {
      const value = { ...message, $typeName: "tertulia.chat.v1.Message" as const };
      return stamp(
        rooms.append(rooms.member(channelId, user), user, { case: "message", value } as Content, clientMessageId),
      );
    }),
    editMessage: unary("EditMessage", ({ channelId, seq, clientId, message }, user) =>
      stamp(
        rooms.append(
          rooms.member(channelId, user),
          user,
          { case: "messageEdited", value: { targetSeq: seq, message } as never },
          clientId,
        ),
      ),
    ),
    deleteMessage: unary("DeleteMessage", ({ channelId, seq, clientId }, user) => {
      const room = rooms.member(channelId, user);
      const target = room.log.events[Number(seq) - 1]?.content;
      const replyToSeq = target?.case === "message" ? target.value.replyToSeq : 0n;
      const value = { targetSeq: seq, replyToSeq } as never;
      return stamp(rooms.append(room, user, { case: "messageDeleted", value }, clientId));
    }),
    addReaction: unary("AddReaction", (request, user) => react(rooms, request, user, false)),
    removeReaction: unary("RemoveReaction", (request, user) => react(rooms, request, user, true)),
    getMessage: unary("GetMessage", ({ channelId, seq }, user) => {
      const event = rooms.member(channelId, user).log.message(Number(seq));
      if (event === undefined) throw refusal(Code.NotFound, "MESSAGE_NOT_FOUND");
      return { event };
    }),
    listMessages: unary("ListMessages", ({ channelId, pageSize, anchor }, user) => {
      const { log } = rooms.member(channelId, user);
      if (rooms.emptyPages > 0) {
        rooms.emptyPages -= 1;
        return { events: [], olderPageToken: "on", newerPageToken: "on", headSeq: BigInt(log.head) };
      }
      const all = log.messages();
      const size = pageSize || 50;
      const below = (seq: bigint) => all.filter((event) => event.seq < seq).length;
      let [from, to] = [all.length - size, all.length];
      if (anchor.case === "beforeSeq") [from, to] = [below(anchor.value) - size, below(anchor.value)];
      if (anchor.case === "afterSeq") [from, to] = [below(anchor.value + 1n), below(anchor.value + 1n) + size];
      if (anchor.case === "aroundSeq") [from, to] = [below(anchor.value) - size / 2, below(anchor.value) + size / 2];
      return {
        events: all.slice(Math.max(0, from), to),
        olderPageToken: from > 0 ? "older" : "",
        newerPageToken: to < all.length ? "newer" : "",
        headSeq: BigInt(log.head),
      };
    }),
    listEvents: unary("ListEvents", ({ channelId, afterSeq, pageSize }, user) => {
      const { log } = rooms.member(channelId, user);
      const events = log.events.slice(Number(afterSeq), Number(afterSeq) + pageSize);
      const toSeq = afterSeq + BigInt(events.length);
      return { slice: { logId: log.id, fromSeq: afterSeq + 1n, toSeq, headSeq: BigInt(log.head), events } };
    }),
  };
}

function react(
  rooms: FakeRooms,
  request: { channelId: string; seq: bigint; clientId: string; key: string },
  user: string,
  removed: boolean,
) {
  const { channelId, seq, clientId, key } = request;
  const value = { targetSeq: seq, key, removed } as never;
  return stamp(rooms.append(rooms.member(channelId, user), user, { case: "reactionChanged", value }, clientId));
}

function stamp({ seq, timeMs }: Event) {
  return { seq, timeMs };
}
