/** The door of the SDK: one user's connection to a server, and all that is known through it. */

import { type ReadonlySignal, signal } from "@preact/signals-core";
import { Blocks } from "./blocks.js";
import { Channels } from "./channels.js";
import { tryUnderOneId } from "./commands.js";
import { Conversation } from "./conversation.js";
import type { Event } from "./gen/tertulia/chat/v1/event_pb.js";
import type { ListenRequest, ServerFrame } from "./gen/tertulia/chat/v1/session_pb.js";
import { Inbox, type Range } from "./inbox.js";
import { IndexedStorage } from "./indexed_storage.js";
import { CLIENT_NAME, type Connection, Listener } from "./listener.js";
import { channelFrom, type Message, type MyChannel, messageFrom, type User, userFrom } from "./models.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Receipts } from "./receipts.js";
import { type Rpc, rpcOver } from "./rpc.js";
import { MemoryStorage, type Snapshot, type Storage } from "./storage.js";
import { OneTab, type Tabs, tabsNamed } from "./tabs.js";
import { anotherUser, type TokenProvider, Tokens } from "./tokens.js";
import { Typists } from "./typists.js";

export interface Options {
  /** Where the server is: "https://chat.example.com". Empty: where the page came from. */
  readonly url?: string;
  /** Who the user is. It names what is kept in the browser; the server believes the token only. A token of another ends the client. */
  readonly userId: string;
  /** A token, or a function that gets one from the application's back end: at first, and whenever the last has expired. */
  readonly token: string | TokenProvider;
  /** Keep the outbox and what was shown last in the browser (IndexedDB). Default: true. */
  readonly keep?: boolean;
}

/** Somebody else said something, anywhere. For notifications; conversations are kept current without it. */
export type OnMessage = (channel: MyChannel, message: Message) => void;

const SNAPSHOT_CHANNELS = 100;
const SNAPSHOT_EVERY_MS = 5_000;

export class TertuliaClient {
  readonly rpc: Rpc;
  readonly storage: Storage;
  readonly inbox: Inbox;
  readonly channels: Channels;
  readonly people: People;
  readonly blocks: Blocks;
  readonly typists = new Typists();
  readonly outbox: Outbox;
  #listener: Listener;
  #tabs: Tabs;
  #receipts: Receipts;
  #open = new Set<Conversation>();
  #onMessage = new Set<OnMessage>();
  #snapshots: ReturnType<typeof setInterval> | undefined;
  #kept: readonly MyChannel[] | undefined; // in the last snapshot
  #closed = new AbortController();
  #running: Promise<void> | undefined;
  #restored = signal(false);
  #snapshot: Snapshot | undefined;

  constructor({ url, userId, token, keep = true }: Options) {
    const tokens = new Tokens(token, userId);
    const baseUrl = url || (typeof location === "undefined" ? "" : location.origin);
    const name = `tertulia ${baseUrl} ${userId}`;
    this.rpc = rpcOver(baseUrl, tokens);
    this.storage = keep ? new IndexedStorage(name) : new MemoryStorage();
    this.#tabs = keep ? tabsNamed(name) : new OneTab();
    this.people = new People(this.rpc);
    this.blocks = new Blocks(this.rpc);
    this.outbox = new Outbox(this.rpc, this.storage, this.#tabs, this);
    this.inbox = new Inbox({
      onRanges: (channelId, ranges) => this.#onRanges(channelId, ranges),
      onSaid: (channel, events) => this.#onSaid(channel, events),
      onReadLacking: (channelId, readSeq) => this.#receipts.readAgain(channelId, readSeq),
    });
    this.inbox.me.value = userId;
    this.channels = new Channels(this.rpc, this.inbox);
    this.#receipts = new Receipts(this.rpc, this.inbox);
    this.#listener = new Listener(this.rpc, tokens, {
      hello: () => this.#hello(),
      onFrame: (frame) => this.#onFrame(frame),
      onDisconnect: () => this.#onDisconnect(),
    });
  }

  // --- life ---------------------------------------------------------------------------------------------------------

  /** Connect, and stay connected until `close`. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#running = this.#run();
    if (typeof addEventListener === "function") {
      const untilClosed = { signal: this.#closed.signal };
      addEventListener("online", () => this.#listener.nudge(), untilClosed);
      addEventListener("offline", () => this.#listener.restart(), untilClosed);
      if (typeof document !== "undefined")
        document.addEventListener("visibilitychange", () => this.#listener.nudge(), untilClosed);
    }
    this.#snapshots = setInterval(() => this.#keepSnapshot(), SNAPSHOT_EVERY_MS);
  }

  get connection(): ReadonlySignal<Connection> {
    return this.#listener.connection;
  }

  /** Whether there is something to show: from the last visit, or from the server. */
  get restored(): ReadonlySignal<boolean> {
    return this.#restored;
  }

  get me(): ReadonlySignal<string> {
    return this.inbox.me;
  }

  /** Let go of everything. What was not sent is kept for the next visit. */
  async close(): Promise<void> {
    this.#stop();
    await this.#running;
    this.#tabs.close();
    this.storage.close();
  }

  /**
   * Close, and forget on this device what the user said and saw. What was not sent is lost, in other tabs, too. Calls under way are
   * not waited for: nothing of theirs is kept.
   */
  async forget(): Promise<void> {
    this.#stop();
    await this.storage.clear().catch(() => {}); // a browser that opens no database and deletes none cannot be made to
    this.#tabs.tellOutboxChanged();
    this.#tabs.close();
  }

  // --- channels -----------------------------------------------------------------------------------------------------

  /** Begin to show a channel. Close it when it is shown no more. */
  open(channel: MyChannel): Conversation {
    const conversation = new Conversation(this, channel);
    this.#open.add(conversation);
    void conversation.load();
    return conversation;
  }

  /** The user has seen everything up to a message; shown at once, and told to the server when it can be. */
  markRead(channelId: string, seq: number, messageCount: number): void {
    if (this.inbox.entry(channelId)?.channel.peek().preferences.markedUnread)
      void this.channels.prefer(channelId, { markedUnread: false }).catch(() => {});
    this.#receipts.read(channelId, seq, messageCount);
  }

  /** A message, wherever it is in its channel; undefined when it cannot be had. */
  async message(channelId: string, seq: number): Promise<Message | undefined> {
    try {
      const { event } = await this.rpc.messages.getMessage({ channelId, seq: BigInt(seq) });
      return event && messageFrom(event);
    } catch {
      return undefined;
    }
  }

  // --- people -------------------------------------------------------------------------------------------------------

  async search(namePrefix: string): Promise<User[]> {
    const { users } = await this.rpc.users.searchUsers({ namePrefix, pageSize: 20 });
    const found = users.map(userFrom);
    for (const user of found) this.people.note(user);
    return found;
  }

  /** How the user is called from now on. */
  async setName(name: string): Promise<void> {
    const userId = this.me.peek();
    await this.try(() => this.rpc.users.upsertUsers({ users: [{ userId, name }] }));
    this.people.note({ ...this.people.profile(userId).peek(), name });
  }

  /** Hear of what others say. Answers how to stop. */
  onMessage(listener: OnMessage): () => void {
    this.#onMessage.add(listener);
    return () => this.#onMessage.delete(listener);
  }

  // --- for the SDK's own parts --------------------------------------------------------------------------------------

  /** The highest seq that is known of a channel. */
  seen(channelId: string): number {
    return this.inbox.entry(channelId)?.channel.peek().headSeq ?? 0;
  }

  /** The highest seq up to which an event is shown wherever its channel is open: one that has a hole to fill is behind. */
  shown(channelId: string): number {
    const open = [...this.#open].filter((conversation) => conversation.channelId === channelId);
    const positions = open.flatMap(({ timeline }) => timeline.position()).map(({ seq }) => Number(seq));
    return Math.min(this.seen(channelId), ...positions);
  }

  /** A command, repeated under one id while its failures are such that pass. Throws `TertuliaError`. */
  try<T>(command: (clientId: string) => Promise<T>): Promise<T> {
    return tryUnderOneId(command);
  }

  closed(conversation: Conversation): void {
    this.#open.delete(conversation);
  }

  // --- inside -------------------------------------------------------------------------------------------------------

  async #run(): Promise<void> {
    await this.#restore();
    await this.#listener.run();
    if (this.#closed.signal.aborted) return; // who forgets leads until all is deleted, or another tab would send it
    this.#stop();
    this.#tabs.resign(); // another tab may have a token that is taken
  }

  #stop(): void {
    this.#closed.abort();
    clearInterval(this.#snapshots);
    this.#listener.close();
    this.outbox.close();
    this.#receipts.close();
    this.people.close();
    this.typists.clear();
  }

  async #restore(): Promise<void> {
    this.#snapshot = await this.storage.snapshot().catch(() => undefined);
    for (const user of this.#snapshot?.people ?? []) this.people.note(user);
    await this.outbox.open();
  }

  async #hello(): Promise<Partial<Pick<ListenRequest, "hello" | "watchUserIds">>> {
    // who is followed is said when a stream opens, so the first visit looks who there is
    if (this.inbox.all.peek().length === 0) {
      const page = await this.rpc.channels.listMyChannels({ pageSize: SNAPSHOT_CHANNELS }).catch(() => undefined);
      this.inbox.restore((page?.channels ?? []).map(channelFrom)); // without an answer: the stream tells why
    }
    const peers = this.inbox.all.peek().flatMap(({ peer }) => (peer === "" ? [] : [peer]));
    const members = [...this.#open].flatMap(({ members }) => [...members.list.peek().keys()]);
    return {
      hello: {
        $typeName: "tertulia.chat.v1.Hello",
        clientName: CLIENT_NAME,
        positions: [...this.#open].flatMap(({ timeline }) => timeline.position()),
      },
      watchUserIds: this.people.follow([...members, ...peers]),
    };
  }

  #onFrame(frame: ServerFrame): void {
    this.#mustBeMine(frame);
    this.#stopTyping(frame);
    this.inbox.onFrame(frame);
    for (const { notice } of frame.notices) {
      switch (notice.case) {
        case "typing": {
          const { logId, userId, active } = notice.value;
          const channel = this.inbox.channelOf(logId);
          if (channel !== undefined && userId !== this.me.peek())
            this.typists.onSignal(channel.channelId, userId, active);
          break;
        }
        case "read":
          this.#onPosition(notice.value.logId, notice.value.userId, Number(notice.value.readSeq), 0);
          break;
        case "delivered":
          this.#onPosition(notice.value.logId, notice.value.userId, 0, Number(notice.value.deliveredSeq));
          break;
        case "presence":
          this.people.onPresence(notice.value);
          break;
        case "caughtUp":
          this.#onCaughtUp();
          break;
      }
    }
  }

  /** Throws, which ends the client, if the server takes this user for another: what one said and saw is not the other's. */
  #mustBeMine({ notices }: ServerFrame): void {
    for (const { notice } of notices) {
      if (notice.case !== "welcome" || notice.value.userId === this.me.peek()) continue;
      this.outbox.close();
      this.#receipts.close();
      throw anotherUser(notice.value.userId, this.me.peek());
    }
  }

  #onCaughtUp(): void {
    this.#restored.value = true;
    this.outbox.nudge();
    this.#receipts.nudge();
    for (const channel of this.inbox.all.peek()) {
      this.#receipts.deliver(channel);
      this.outbox.onLog(channel.channelId, []); // sent before the stream was there again
    }
    for (const { timeline, members, channelId } of this.#open) {
      timeline.onHead(this.seen(channelId));
      members.refresh().catch(() => {});
    }
    this.people.nudge();
  }

  #onDisconnect(): void {
    this.typists.clear();
    this.people.onDisconnect();
    if (this.#snapshot === undefined || this.#restored.value) return;
    this.inbox.restore(this.#snapshot.channels); // no server to ask: better old than nothing
    this.#restored.value = true;
  }

  #onPosition(logId: Uint8Array, userId: string, readSeq: number, deliveredSeq: number): void {
    const channel = this.inbox.channelOf(logId);
    for (const { members, channelId } of this.#open)
      if (channelId === channel?.channelId) members.onPosition(userId, readSeq, deliveredSeq);
  }

  #onRanges(channelId: string, ranges: readonly Range[]): void {
    for (const conversation of this.#open) if (conversation.channelId === channelId) conversation.onRanges(ranges);
    const all = ranges.flatMap(({ events = [] }) => events);
    const shown = this.shown(channelId);
    const mine = all.filter(({ senderUserId, seq }) => senderUserId === this.me.peek() && Number(seq) <= shown);
    // somebody was blocked, or no longer is: what one may do is told when a stream begins
    if (this.connection.peek().state === "online" && all.some(changesWhoMayWrite)) this.#listener.restart();
    this.outbox.onLog(
      channelId,
      mine.map(({ clientId }) => clientId),
    );
  }

  #onSaid(channel: MyChannel, events: readonly Event[]): void {
    this.#receipts.deliver(channel);
    if (this.connection.peek().state !== "online") return;
    for (const event of events) {
      const message = messageFrom(event);
      if (message !== undefined && message.author !== this.me.peek())
        for (const listener of this.#onMessage) tellOf(channel, message, listener);
    }
  }

  /** Who has said something types no longer. */
  #stopTyping(frame: ServerFrame): void {
    for (const { logId, events } of frame.slices) {
      const channel = this.inbox.channelOf(logId);
      if (channel === undefined) continue;
      for (const { senderUserId, content } of events)
        if (content.case === "message") this.typists.onSignal(channel.channelId, senderUserId, false);
    }
  }

  #keepSnapshot(): void {
    const all = this.inbox.all.peek();
    if (this.connection.peek().state !== "online" || all === this.#kept) return;
    this.#kept = all;
    const channels = all.slice(0, SNAPSHOT_CHANNELS);
    this.storage.keepSnapshot({ channels, people: this.people.known() }).catch(() => {});
    for (const conversation of this.#open) conversation.keep();
  }
}

/** The fault of an application's listener is told where its other faults are, and does not end the stream. */
function tellOf(channel: MyChannel, message: Message, listener: OnMessage): void {
  try {
    listener(channel, message);
  } catch (thrown) {
    (globalThis.reportError ?? console.error)(thrown); // Node has no reportError
  }
}

function changesWhoMayWrite({ content }: Event): boolean {
  return content.case === "channelChanged" && content.value.fields === undefined;
}

/** A client that is connecting already. */
export function connect(options: Options): TertuliaClient {
  const client = new TertuliaClient(options);
  client.start();
  return client;
}
