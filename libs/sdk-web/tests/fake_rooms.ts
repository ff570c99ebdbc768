/** What the fake server knows: rooms with their logs and members, and the streams that are told of them. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ChannelKind, type MyChannel, MyChannelSchema } from "../src/gen/tertulia/chat/v1/channel_pb.js";
import { type Event, EventSchema } from "../src/gen/tertulia/chat/v1/event_pb.js";
import { MemberRole } from "../src/gen/tertulia/chat/v1/role_pb.js";
import type { NoticeSchema } from "../src/gen/tertulia/chat/v1/session_pb.js";
import type { FakeFeed } from "./fake_feed.js";
import { FakeLog } from "./fake_log.js";
import { refusal } from "./fake_refusals.js";

export interface Seat {
  role: MemberRole;
  readSeq: number;
  deliveredSeq: number;
  preferences: {
    version: bigint;
    muted: boolean;
    pinned: boolean;
    hidden: boolean;
    hiddenMessageCount: bigint;
    markedUnread: boolean;
  };
}

export interface Room {
  id: string;
  kind: ChannelKind;
  name: string;
  log: FakeLog;
  seats: Map<string, Seat>;
  createTimeMs: number;
}

type Notice = MessageInitShape<typeof NoticeSchema>["notice"];
export type Content = Parameters<FakeLog["append"]>[2];

export class FakeRooms {
  readonly rooms = new Map<string, Room>();
  readonly names = new Map<string, string>();
  /** Whom users have blocked. */
  readonly blocked = new Map<string, Set<string>>();
  readonly feeds = new Set<FakeFeed>();
  clock = () => Date.now();
  /** The next `count` events do not reach the streams. */
  lose = 0;
  /** So many pages of messages end before one is found. */
  emptyPages = 0;
  #logs = 0;

  room(id: string, kind: ChannelKind, ...members: string[]): Room {
    this.#logs += 1;
    const logId = new Uint8Array(16);
    logId[15] = this.#logs & 255;
    logId[14] = this.#logs >> 8;
    const name = kind === ChannelKind.DIRECT ? "" : id;
    const log = new FakeLog(logId, () => this.clock());
    const room: Room = { id, kind, name, log, seats: new Map(), createTimeMs: this.clock() };
    this.rooms.set(id, room);
    this.admit(room, members);
    return room;
  }

  admit(room: Room, members: readonly string[]): void {
    const first = room.seats.size === 0;
    members.forEach((member, index) => {
      const role = first && index === 0 && room.kind !== ChannelKind.DIRECT ? MemberRole.OWNER : MemberRole.MEMBER;
      const preferences = {
        version: 0n,
        muted: false,
        pinned: false,
        hidden: false,
        hiddenMessageCount: 0n,
        markedUnread: false,
      };
      room.seats.set(member, { role, readSeq: 0, deliveredSeq: 0, preferences });
    });
    this.append(room, "", { case: "membershipChange", value: { addedUserIds: [...members] } } as Content);
    for (const feed of this.feeds)
      if (members.includes(feed.user)) feed.notice({ case: "channel", value: this.mine(room, feed.user) });
  }

  remove(room: Room, member: string): void {
    this.append(room, "", { case: "membershipChange", value: { removedUserIds: [member] } } as Content);
    room.seats.delete(member);
    const left = { channelId: room.id, logId: room.log.id };
    const events = [create(EventSchema, { seq: 1n, content: { case: "channelLeft", value: left as never } })];
    for (const feed of this.feeds)
      if (feed.user === member) feed.put({ slices: [{ logId: inboxOf(member), fromSeq: 1n, toSeq: 1n, events }] });
  }

  say(
    room: Room,
    sender: string,
    text: string,
    more: { replyToSeq?: bigint; mentionedUserIds?: string[] } = {},
  ): Event {
    return this.append(room, sender, { case: "message", value: { text, ...more } as never });
  }

  append(room: Room, sender: string, content: Content, clientId = ""): Event {
    const { event, isNew } = room.log.append(sender, clientId, content);
    if (isNew) this.push(room, event);
    return event;
  }

  /** Tell a member's streams of a gap in place of a channel's events. */
  gap(room: Room, user: string, fromSeq: number, toSeq: number): void {
    const value = { logId: room.log.id, fromSeq: BigInt(fromSeq), toSeq: BigInt(toSeq) };
    for (const feed of this.feeds) if (feed.user === user) feed.notice({ case: "gap", value: value as never });
  }

  private push(room: Room, event: Event): void {
    if (this.lose > 0) {
      this.lose -= 1;
      return;
    }
    const slice = { logId: room.log.id, fromSeq: event.seq, toSeq: event.seq, headSeq: event.seq, events: [event] };
    for (const feed of this.feeds) if (room.seats.has(feed.user)) feed.put({ slices: [slice] });
  }

  tell(room: Room, notice: Notice, except = ""): void {
    for (const feed of this.feeds) if (room.seats.has(feed.user) && feed.user !== except) feed.notice(notice);
  }

  /** A member reads up to a seq, and everybody is told. */
  read(room: Room, userId: string, seq: number): void {
    const seat = room.seats.get(userId);
    if (seat !== undefined) seat.readSeq = Math.max(seat.readSeq, seq);
    if (seat !== undefined) seat.deliveredSeq = Math.max(seat.deliveredSeq, seat.readSeq);
    const readMessageCount = room.log.events[seq - 1]?.messageCount ?? 0n;
    const value = { logId: room.log.id, userId, readSeq: BigInt(seq), readMessageCount } as never;
    this.tell(room, { case: "read", value });
  }

  mine(room: Room, user: string): MyChannel {
    const seat = room.seats.get(user) as Seat;
    const { log, kind } = room;
    const read = log.events[seat.readSeq - 1]?.messageCount ?? 0n;
    const messages = log.messages();
    const mentions = messages.filter(
      ({ seq, content, state, senderUserId }) =>
        Number(seq) > seat.readSeq &&
        senderUserId !== user &&
        !state?.deleted &&
        content.case === "message" &&
        (state?.edited ?? content.value).mentionedUserIds.includes(user),
    );
    const own = seat.role === MemberRole.OWNER;
    const operates = own || seat.role === MemberRole.OPERATOR;
    return create(MyChannelSchema, {
      channel: {
        channelId: room.id,
        logId: log.id,
        kind,
        name: room.name,
        memberCount: BigInt(room.seats.size),
        createTimeMs: BigInt(room.createTimeMs),
      },
      headSeq: BigInt(log.head),
      headMessageCount: BigInt(log.messageCount),
      lastMessage: messages.at(-1),
      readSeq: BigInt(seat.readSeq),
      readMessageCount: read,
      unreadCount: BigInt(log.messageCount) - read,
      peerUserId: kind === ChannelKind.DIRECT ? [...room.seats.keys()].find((other) => other !== user) : "",
      role: seat.role,
      permissions: {
        send: operates || kind !== ChannelKind.BROADCAST,
        react: true,
        moderate: operates,
        manage: operates,
        own,
      },
      mentionCount: BigInt(mentions.length),
      deliveredSeq: BigInt(seat.deliveredSeq),
      preferences: seat.preferences,
    });
  }

  tellPresence(userId: string, online: boolean): void {
    for (const feed of this.feeds)
      if (feed.watched.has(userId)) feed.notice({ case: "presence", value: { userId, online } as never });
  }

  isHere(userId: string): boolean {
    return [...this.feeds].some(({ user }) => user === userId);
  }

  roomsOf(user: string): Room[] {
    return [...this.rooms.values()].filter(({ seats }) => seats.has(user));
  }

  member(channelId: string, user: string): Room {
    const room = this.rooms.get(channelId);
    if (room === undefined || !room.seats.has(user)) throw refusal(Code.NotFound, "CHANNEL_NOT_FOUND");
    return room;
  }
}

export function inboxOf(user: string): Uint8Array<ArrayBuffer> {
  const log = new Uint8Array(16).fill(255);
  new TextEncoder().encodeInto(user, log);
  return log;
}
