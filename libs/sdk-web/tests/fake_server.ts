/**
 * A server in memory that speaks the protos over real HTTP, as the door does. It refuses, delays and forgets on request.
 * The token of a user is "token-<user id>"; one that has expired "expired".
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ChannelService } from "../src/gen/tertulia/chat/v1/channel_pb.js";
import { MessageService } from "../src/gen/tertulia/chat/v1/message_pb.js";
import { PresenceService } from "../src/gen/tertulia/chat/v1/presence_pb.js";
import { type ListenRequest, type ServerFrame, SessionService } from "../src/gen/tertulia/chat/v1/session_pb.js";
import { UserService } from "../src/gen/tertulia/chat/v1/user_pb.js";
import { channelMethods } from "./fake_channels.js";
import { FakeFeed } from "./fake_feed.js";
import { messageMethods } from "./fake_messages.js";
import { refusal } from "./fake_refusals.js";
import { FakeRooms, inboxOf } from "./fake_rooms.js";

/** Makes a handler of what is particular to a method. */
export type Unary = <I, O>(
  method: string,
  handler: (request: I, user: string) => O,
) => (request: I, context: HandlerContext) => Promise<O>;

export class FakeServer extends FakeRooms {
  /** Methods as they were called: "SendMessage alice". */
  readonly calls: string[] = [];
  /** What to do before the next calls of a method: throw, or wait. */
  readonly before = new Map<string, (() => Promise<void> | void)[]>();
  /** What to do after them, when they have taken effect. */
  readonly after = new Map<string, (() => Promise<void> | void)[]>();
  #http: Server | undefined;
  #port = 0;

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
    for (const feed of this.feeds) feed.end();
    this.feeds.clear();
  }

  #routes(router: ConnectRouter): void {
    const unary: Unary = (method, handler) => this.#unary(method, handler);
    router.service(SessionService, { listen: (request, context) => this.#listen(request, context) });
    router.service(MessageService, messageMethods(this, unary));
    router.service(ChannelService, channelMethods(this, unary));
    const blockedBy = (user: string) => {
      const had = this.blocked.get(user) ?? new Set<string>();
      this.blocked.set(user, had);
      return had;
    };
    router.service(UserService, {
      blockUser: unary("BlockUser", ({ userId }, user) => {
        blockedBy(user).add(userId);
        return {};
      }),
      unblockUser: unary("UnblockUser", ({ userId }, user) => {
        blockedBy(user).delete(userId);
        return {};
      }),
      listBlockedUsers: unary("ListBlockedUsers", ({ pageToken }, user) => {
        const all = [...blockedBy(user)].sort();
        const at = all.findIndex((userId) => userId > pageToken);
        const [next, after] = at < 0 ? [] : all.slice(at, at + 2); // one a page
        return { users: next === undefined ? [] : [{ userId: next }], nextPageToken: after === undefined ? "" : next };
      }),
      getUser: this.#unary("GetUser", ({ userId }) => ({ user: { userId, name: this.names.get(userId) ?? "" } })),
      searchUsers: this.#unary("SearchUsers", ({ namePrefix }) => ({
        users: [...this.names]
          .filter(([, name]) => name.toLowerCase().startsWith(namePrefix.toLowerCase()))
          .map(([userId, name]) => ({ userId, name })),
      })),
    });
    router.service(PresenceService, {
      setTyping: this.#unary("SetTyping", ({ channelId, active }, user) => {
        const room = this.member(channelId, user);
        this.tell(room, { case: "typing", value: { logId: room.log.id, userId: user, active } as never }, user);
        return {};
      }),
      getPresence: this.#unary("GetPresence", ({ userIds }) => ({
        presences: userIds.map((userId) => ({ userId, online: this.isHere(userId) })),
      })),
    });
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
    const feed = new FakeFeed(user, new Set(watchUserIds));
    context.signal.addEventListener("abort", () => feed.end());
    feed.notice({ case: "welcome", value: { sessionId: "s", userId: user, inboxLogId: inboxOf(user) } as never });
    for (const room of this.roomsOf(user)) feed.notice({ case: "channel", value: this.mine(room, user) });
    for (const { logId, seq } of hello?.positions ?? []) {
      const { log } = this.roomsOf(user).find((room) => room.log.id.join() === logId.join()) ?? {};
      if (log === undefined || log.head <= Number(seq)) continue;
      const [events, head] = [log.events.slice(Number(seq)), BigInt(log.head)];
      feed.put({ slices: [{ logId, fromSeq: seq + 1n, toSeq: head, headSeq: head, events }] });
    }
    for (const userId of watchUserIds)
      feed.notice({ case: "presence", value: { userId, online: this.isHere(userId) } as never });
    feed.notice({ case: "caughtUp", value: {} as never });
    this.feeds.add(feed);
    this.tellPresence(user, true);
    try {
      yield* feed.frames();
    } finally {
      this.feeds.delete(feed);
      this.tellPresence(user, this.isHere(user));
    }
  }
}

function userOf({ requestHeader }: HandlerContext): string {
  const token = requestHeader.get("Authorization") ?? "";
  if (!token.startsWith("Bearer token-")) throw refusal(Code.Unauthenticated, "TOKEN_EXPIRED");
  return token.slice("Bearer token-".length);
}
