/**
 * A server in memory that speaks the protos over real HTTP, as the door does. It refuses, delays and forgets on request.
 * The token of a user is "token-<user id>"; one that has expired "expired".
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  ChannelKind,
  ChannelService,
  type MyChannel,
  MyChannelSchema,
  type UpdateChannelRequest,
} from "../src/gen/tertulia/chat/v1/channel_pb.js";
import { type Event, EventSchema } from "../src/gen/tertulia/chat/v1/event_pb.js";
import { MessageService } from "../src/gen/tertulia/chat/v1/message_pb.js";
import { PresenceService } from "../src/gen/tertulia/chat/v1/presence_pb.js";
import { MemberRole } from "../src/gen/tertulia/chat/v1/role_pb.js";
import {
  type ListenRequest,
  type NoticeSchema,
  type ServerFrame,
  ServerFrameSchema,
  SessionService,
} from "../src/gen/tertulia/chat/v1/session_pb.js";
import { UserService } from "../src/gen/tertulia/chat/v1/user_pb.js";
import { FakeLog } from "./fake_log.js";

interface Seat {
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

interface Room {
  id: string;
  kind: ChannelKind;
  name: string;
  log: FakeLog;
  seats: Map<string, Seat>;
  createTimeMs: number;
}

type Notice = MessageInitShape<typeof NoticeSchema>["notice"];
type Content = Parameters<FakeLog["append"]>[2];

/** Frames for one stream. */
class Feed {
  #frames: ServerFrame[] = [];
  #wake: () => void = () => {};
  #ended = false;

  constructor(
    readonly user: string,
    readonly watched: ReadonlySet<string>,
  ) {}

  put(frame: MessageInitShape<typeof ServerFrameSchema>): void {
    this.#frames.push(create(ServerFrameSchema, frame));
    this.#wake();
  }

  notice(...notices: Notice[]): void {
    this.put({ notices: notices.map((notice) => ({ notice })) });
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *frames(): AsyncGenerator<ServerFrame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) yield frame;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

export class FakeServer {
  readonly rooms = new Map<string, Room>();
  readonly names = new Map<string, string>();
  /** Methods as they were called: "SendMessage alice". */
  readonly calls: string[] = [];
  /** What to do before the next calls of a method: throw, or wait. */
  readonly before = new Map<string, (() => Promise<void> | void)[]>();
  /** What to do after them, when they have taken effect. */
  readonly after = new Map<string, (() => Promise<void> | void)[]>();
  clock = () => Date.now();
  #feeds = new Set<Feed>();
  #http: Server | undefined;
  #port = 0;
  #logs = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const adapter = connectNodeAdapter({ routes: (router) => this.#routes(router) });
    this.#http = createServer((request, response) => {
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.setHeader("Access-Control-Allow-Headers", "*");
      if (request.method === "OPTIONS") response.writeHead(204).end();
      else adapter(request, response);
    });
    const http = this.#http;
    await new Promise<void>((resolve) => http.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (http.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.cut();
    const http = this.#http;
    if (http === undefined) return;
    const closed = new Promise((resolve) => http.close(resolve));
    http.closeAllConnections();
    await closed;
  }

  /** All streams end, without a word. */
  cut(): void {
    for (const feed of this.#feeds) feed.end();
    this.#feeds.clear();
  }

  // --- set-up -------------------------------------------------------------------------------------------------------

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
    for (const feed of this.#feeds)
      if (members.includes(feed.user)) feed.notice({ case: "channel", value: this.#mine(room, feed.user) });
  }

  remove(room: Room, member: string): void {
    this.append(room, "", { case: "membershipChange", value: { removedUserIds: [member] } } as Content);
    room.seats.delete(member);
    const left = { channelId: room.id, logId: room.log.id };
    const events = [create(EventSchema, { seq: 1n, content: { case: "channelLeft", value: left as never } })];
    for (const feed of this.#feeds)
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
    if (isNew) this.#push(room, event);
    return event;
  }

  /** Tell a member's streams of a gap in place of a channel's events. */
  gap(room: Room, user: string, fromSeq: number, toSeq: number): void {
    const value = { logId: room.log.id, fromSeq: BigInt(fromSeq), toSeq: BigInt(toSeq) };
    for (const feed of this.#feeds) if (feed.user === user) feed.notice({ case: "gap", value: value as never });
  }

  /** The next `count` events do not reach the streams. */
  lose = 0;

  #push(room: Room, event: Event): void {
    if (this.lose > 0) {
      this.lose -= 1;
      return;
    }
    const slice = { logId: room.log.id, fromSeq: event.seq, toSeq: event.seq, headSeq: event.seq, events: [event] };
    for (const feed of this.#feeds) if (room.seats.has(feed.user)) feed.put({ slices: [slice] });
  }

  #tell(room: Room, notice: Notice, except = ""): void {
    for (const feed of this.#feeds) if (room.seats.has(feed.user) && feed.user !== except) feed.notice(notice);
  }

  #mine(room: Room, user: string): MyChannel {
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

  // --- calls --------------------------------------------------------------------------------------------------------

  #routes(router: ConnectRouter): void {
    router.service(SessionService, { listen: (request, context) => this.#listen(request, context) });
    router.service(UserService, {
      getUser: this.#unary("GetUser", ({ userId }) => ({ user: { userId, name: this.names.get(userId) ?? "" } })),
      searchUsers: this.#unary("SearchUsers", ({ namePrefix }) => ({
        users: [...this.names]
          .filter(([, name]) => name.toLowerCase().startsWith(namePrefix.toLowerCase()))
          .map(([userId, name]) => ({ userId, name })),
      })),
    });
    router.service(PresenceService, {
      setTyping: this.#unary("SetTyping", ({ channelId, active }, user) => {
        const room = this.#room(channelId, user);
        this.#tell(room, { case: "typing", value: { logId: room.log.id, userId: user, active } as never }, user);
        return {};
      }),
      getPresence: this.#unary("GetPresence", ({ userIds }) => ({
        presences: userIds.map((userId) => ({ userId, online: this.#isHere(userId) })),
      })),
    });
    router.service(MessageService, {
      sendMessage: this.#unary("SendMessage", ({ channelId, clientMessageId, message }, user) => {
        const value = { ...message, $typeName: "tertulia.chat.v1.Message" as const };
        return stamp(
          this.append(this.#room(channelId, user), user, { case: "message", value } as Content, clientMessageId),
        );
      }),
      editMessage: this.#unary("EditMessage", ({ channelId, seq, clientId, message }, user) =>
        stamp(
          this.append(
            this.#room(channelId, user),
            user,
            { case: "messageEdited", value: { targetSeq: seq, message } as never },
            clientId,
          ),
        ),
      ),
      deleteMessage: this.#unary("DeleteMessage", ({ channelId, seq, clientId }, user) => {
        const room = this.#room(channelId, user);
        const target = room.log.events[Number(seq) - 1]?.content;
        const replyToSeq = target?.case === "message" ? target.value.replyToSeq : 0n;
        const value = { targetSeq: seq, replyToSeq } as never;
        return stamp(this.append(room, user, { case: "messageDeleted", value }, clientId));
      }),
      addReaction: this.#unary("AddReaction", (request, user) => this.#react(request, user, false)),
      removeReaction: this.#unary("RemoveReaction", (request, user) => this.#react(request, user, true)),
      getMessage: this.#unary("GetMessage", ({ channelId, seq }, user) => {
        const event = this.#room(channelId, user).log.message(Number(seq));
        if (event === undefined) throw refusal(Code.NotFound, "MESSAGE_NOT_FOUND");
        return { event };
      }),
      listMessages: this.#unary("ListMessages", ({ channelId, pageSize, anchor }, user) => {
        const { log } = this.#room(channelId, user);
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
      listEvents: this.#unary("ListEvents", ({ channelId, afterSeq, pageSize }, user) => {
        const { log } = this.#room(channelId, user);
        const events = log.events.slice(Number(afterSeq), Number(afterSeq) + pageSize);
        const toSeq = afterSeq + BigInt(events.length);
        return { slice: { logId: log.id, fromSeq: afterSeq + 1n, toSeq, headSeq: BigInt(log.head), events } };
      }),
    });
    router.service(ChannelService, {
      listMyChannels: this.#unary("ListMyChannels", (_request, user) => ({
        channels: this.#roomsOf(user).map((room) => this.#mine(room, user)),
      })),
      listMembers: this.#unary("ListMembers", ({ channelId }, user) => ({
        members: [...this.#room(channelId, user).seats].map(([userId, { role, readSeq, deliveredSeq }]) => ({
          userId,
          role,
          readSeq: BigInt(readSeq),
          deliveredSeq: BigInt(deliveredSeq),
        })),
      })),
      createChannel: this.#unary("CreateChannel", ({ kind, name, memberUserIds }, user) => {
        const id = kind === ChannelKind.DIRECT ? [user, ...memberUserIds].sort().join("-") : `group-${this.rooms.size}`;
        const room = this.rooms.get(id) ?? this.room(id, kind, user, ...memberUserIds);
        if (kind !== ChannelKind.DIRECT) room.name = name;
        return { channel: this.#mine(room, user).channel };
      }),
      addMembers: this.#unary("AddMembers", ({ channelId, userIds }, user) => {
        const room = this.#room(channelId, user);
        this.admit(room, userIds);
        return { channel: this.#mine(room, user).channel };
      }),
      removeMembers: this.#unary("RemoveMembers", ({ channelId, userIds }, user) => {
        const room = this.#room(channelId, user);
        for (const userId of userIds) this.remove(room, userId);
        return {};
      }),
      leaveChannel: this.#unary("LeaveChannel", ({ channelId }, user) => {
        this.remove(this.#room(channelId, user), user);
        return {};
      }),
      setMemberRole: this.#unary("SetMemberRole", ({ channelId, userId, role }, user) => {
        const room = this.#room(channelId, user);
        (room.seats.get(userId) as Seat).role = role;
        this.append(room, user, { case: "membershipChange", value: { roleChanges: [{ userId, role }] } as never });
        return {};
      }),
      updateChannel: this.#unary("UpdateChannel", ({ channelId, fields }: UpdateChannelRequest, user) => {
        const room = this.#room(channelId, user);
        room.name = fields?.name ?? room.name;
        this.append(room, user, { case: "channelChanged", value: { fields } as never });
        return { channel: this.#mine(room, user).channel };
      }),
      advanceReadPosition: this.#unary("AdvanceReadPosition", ({ channelId, readSeq }, user) => {
        const room = this.#room(channelId, user);
        const seat = room.seats.get(user) as Seat;
        seat.readSeq = Math.max(seat.readSeq, Number(readSeq));
        seat.deliveredSeq = Math.max(seat.deliveredSeq, seat.readSeq);
        const readMessageCount = room.log.events[seat.readSeq - 1]?.messageCount ?? 0n;
        const value = { logId: room.log.id, userId: user, readSeq: BigInt(seat.readSeq), readMessageCount } as never;
        this.#tell(room, { case: "read", value });
        return { readSeq: BigInt(seat.readSeq) };
      }),
      advanceDeliveredPosition: this.#unary("AdvanceDeliveredPosition", ({ channelId, deliveredSeq }, user) => {
        const room = this.#room(channelId, user);
        const seat = room.seats.get(user) as Seat;
        seat.deliveredSeq = Math.max(seat.deliveredSeq, Number(deliveredSeq));
        const value = { logId: room.log.id, userId: user, deliveredSeq: BigInt(seat.deliveredSeq) } as never;
        this.#tell(room, { case: "delivered", value });
        return { deliveredSeq: BigInt(seat.deliveredSeq) };
      }),
      setChannelPreferences: this.#unary("SetChannelPreferences", (request, user) => {
        const room = this.#room(request.channelId, user);
        const { preferences } = room.seats.get(user) as Seat;
        preferences.version += 1n;
        preferences.muted = request.muted ?? preferences.muted;
        preferences.pinned = request.pinned ?? preferences.pinned;
        preferences.hidden = request.hidden ?? preferences.hidden;
        preferences.markedUnread = request.markedUnread ?? preferences.markedUnread;
        if (request.hidden === true) preferences.hiddenMessageCount = BigInt(room.log.messageCount);
        const value = { channelId: room.id, logId: room.log.id, preferences: { ...preferences } } as never;
        const events = [create(EventSchema, { seq: 1n, content: { case: "channelPreferencesChanged", value } })];
        for (const feed of this.#feeds)
          if (feed.user === user) feed.put({ slices: [{ logId: inboxOf(user), fromSeq: 1n, toSeq: 1n, events }] });
        return { preferences };
      }),
    });
  }

  #react(request: { channelId: string; seq: bigint; clientId: string; key: string }, user: string, removed: boolean) {
    const { channelId, seq, clientId, key } = request;
    const value = { targetSeq: seq, key, removed } as never;
    return stamp(this.append(this.#room(channelId, user), user, { case: "reactionChanged", value }, clientId));
  }

  /** A handler with what every call has: a token, a record, and trouble on request. */
  #unary<I, O>(method: string, handler: (request: I, user: string) => O) {
    return async (request: I, context: HandlerContext): Promise<O> => {
      const user = userOf(context);
      this.calls.push(`${method} ${user}`);
      await this.before.get(method)?.shift()?.();
      const answer = handler(request, user);
      await this.after.get(method)?.shift()?.();
      return answer;
    };
  }

  async *#listen({ hello, watchUserIds }: ListenRequest, context: HandlerContext): AsyncGenerator<ServerFrame> {
    const user = userOf(context);
    this.calls.push(`Listen ${user}`);
    await this.before.get("Listen")?.shift()?.();
    const feed = new Feed(user, new Set(watchUserIds));
    context.signal.addEventListener("abort", () => feed.end());
    feed.notice({ case: "welcome", value: { sessionId: "s", userId: user, inboxLogId: inboxOf(user) } as never });
    for (const room of this.#roomsOf(user)) feed.notice({ case: "channel", value: this.#mine(room, user) });
    for (const { logId, seq } of hello?.positions ?? []) {
      const { log } = this.#roomsOf(user).find((room) => room.log.id.join() === logId.join()) ?? {};
      if (log === undefined || log.head <= Number(seq)) continue;
      const [events, head] = [log.events.slice(Number(seq)), BigInt(log.head)];
      feed.put({ slices: [{ logId, fromSeq: seq + 1n, toSeq: head, headSeq: head, events }] });
    }
    for (const userId of watchUserIds)
      feed.notice({ case: "presence", value: { userId, online: this.#isHere(userId) } as never });
    feed.notice({ case: "caughtUp", value: {} as never });
    this.#feeds.add(feed);
    this.#tellPresence(user, true);
    try {
      yield* feed.frames();
    } finally {
      this.#feeds.delete(feed);
      this.#tellPresence(user, this.#isHere(user));
    }
  }

  #tellPresence(userId: string, online: boolean): void {
    for (const feed of this.#feeds)
      if (feed.watched.has(userId)) feed.notice({ case: "presence", value: { userId, online } as never });
  }

  #isHere(userId: string): boolean {
    return [...this.#feeds].some(({ user }) => user === userId);
  }

  #roomsOf(user: string): Room[] {
    return [...this.rooms.values()].filter(({ seats }) => seats.has(user));
  }

  #room(channelId: string, user: string): Room {
    const room = this.rooms.get(channelId);
    if (room === undefined || !room.seats.has(user)) throw refusal(Code.NotFound, "CHANNEL_NOT_FOUND");
    return room;
  }
}

/** An error as the door gives it: a code, and an ErrorInfo with the reason. */
export function refusal(code: Code, reason: string, message = "refused by the fake"): ConnectError {
  const error = new ConnectError(message, code);
  const value = new BinaryWriter().tag(1, 2).string(reason).tag(2, 2).string("tertulia").finish();
  (error.details as unknown[]).push({ type: "google.rpc.ErrorInfo", value });
  return error;
}

function userOf({ requestHeader }: HandlerContext): string {
  const token = requestHeader.get("Authorization") ?? "";
  if (!token.startsWith("Bearer token-")) throw refusal(Code.Unauthenticated, "TOKEN_EXPIRED");
  return token.slice("Bearer token-".length);
}

function inboxOf(user: string): Uint8Array<ArrayBuffer> {
  const log = new Uint8Array(16).fill(255);
  new TextEncoder().encodeInto(user, log);
  return log;
}

function stamp({ seq, timeMs }: Event) {
  return { seq, timeMs };
}
