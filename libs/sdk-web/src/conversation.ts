/** One channel while it is open: its messages, its members, and what the user does there. */

import { effect } from "@preact/signals-core";
import type { TertuliaClient } from "./client.js";
import type { Range } from "./inbox.js";
import { MAX_RECEIPT_MEMBERS, Members } from "./members.js";
import { type Content, type Message, type MyChannel, unreadCount } from "./models.js";
import type { Draft } from "./outbox.js";
import type { Pending } from "./storage.js";
import { Timeline } from "./timeline.js";

const TYPING_EVERY_MS = 3_000; // Typing: "again every 3 s while it lasts"
/** With fewer unread messages the newest page shows them all. */
const FITS_A_PAGE = 40;
const KEPT_FOR_NEXT_VISIT = 40;

export class Conversation {
  readonly channelId: string;
  readonly timeline: Timeline;
  readonly members: Members;
  /** The user had read up to here when the conversation was opened; 0: there was nothing unread. */
  readonly unreadAfterSeq: number;
  #unreadAtOpen: number;
  #large: boolean;
  #typedAt = 0; // 0: nobody was told, or that it ended
  #unwatch: () => void;

  constructor(
    private readonly client: TertuliaClient,
    channel: MyChannel,
  ) {
    this.channelId = channel.channelId;
    this.timeline = new Timeline(client.rpc, channel.channelId, channel.logId);
    this.members = new Members(client.rpc, channel.channelId);
    this.unreadAfterSeq = unreadCount(channel) > 0 ? channel.readSeq : 0;
    this.#unreadAtOpen = unreadCount(channel);
    this.#large = channel.memberCount > MAX_RECEIPT_MEMBERS;
    this.#unwatch = effect(() => this.#settle());
  }

  /**
   * Fetch what is shown first: the first unread message, or the newest. Never throws; the view tells of errors. What an earlier
   * visit kept is shown only where no server answers: it may hold what was deleted since (I6).
   */
  async load(): Promise<void> {
    const far = this.#unreadAtOpen > FITS_A_PAGE;
    const opened = far ? this.timeline.toSeq(this.unreadAfterSeq + 1) : this.timeline.toLatest();
    const members = this.#large ? undefined : this.members.load().catch(() => {});
    await Promise.all([opened.then(() => this.#keepOrRestore()), members]);
  }

  async #keepOrRestore(): Promise<void> {
    if (this.timeline.view.peek().error === undefined) return this.keep();
    const kept = await this.client.storage.page(this.channelId).catch(() => undefined);
    if (kept !== undefined) this.timeline.restore(kept);
  }

  send(draft: Omit<Draft, "channelId">): Promise<Pending> {
    this.#typedAt = 0;
    return this.client.outbox.send({ channelId: this.channelId, ...draft });
  }

  /** The user presses keys (or has stopped without sending). */
  typing(active: boolean): void {
    const now = performance.now();
    if (active && this.#typedAt !== 0 && now - this.#typedAt < TYPING_EVERY_MS) return;
    if (!active && this.#typedAt === 0) return;
    this.#typedAt = active ? now : 0;
    // a signal that is lost is as good as one that came late
    this.client.rpc.presence.setTyping({ channelId: this.channelId, active }).catch(() => {});
  }

  /** The user has seen this message and those before it. */
  markRead(message: Message): void {
    this.client.markRead(this.channelId, message.seq, message.messageCount);
  }

  async edit(message: Message, content: Partial<Content>): Promise<void> {
    const { text, mentions, customType, customData } = {
      ...(message.state.edited ?? message.original),
      ...content,
    };
    await this.client.try((clientId) =>
      this.client.rpc.messages.editMessage({
        ...this.#target(message, clientId),
        message: { text, mentionedUserIds: [...mentions], customType, customData },
      }),
    );
  }

  async delete(message: Message): Promise<void> {
    await this.client.try((clientId) => this.client.rpc.messages.deleteMessage(this.#target(message, clientId)));
  }

  /** React, or take the reaction back. */
  async react(message: Message, key: string): Promise<void> {
    const mine = message.state.reactions.find((reaction) => reaction.key === key);
    const { addReaction, removeReaction } = this.client.rpc.messages;
    const takeBack = mine?.userIds.includes(this.client.me.peek()) ?? false;
    await this.client.try<unknown>((clientId) => {
      const request = { ...this.#target(message, clientId), key };
      return takeBack ? removeReaction(request) : addReaction(request);
    });
  }

  /** A message that is not in the window: to quote it. Undefined when there is none. */
  async message(seq: number): Promise<Message | undefined> {
    return this.client.message(this.channelId, seq);
  }

  onRanges(ranges: readonly Range[]): void {
    this.timeline.onRanges(ranges);
    this.members.onRanges(ranges);
  }

  /** What is shown as said is not shown as on its way, too, be it that the answer to the send was lost. */
  #settle(): void {
    const { outbox, me } = this.client;
    const waiting = outbox.entries.value.filter(({ channelId }) => channelId === this.channelId);
    const { messages } = this.timeline.view.value;
    if (waiting.length === 0) return;
    const mine = new Set(messages.filter(({ author }) => author === me.peek()).map(({ clientId }) => clientId));
    const said = waiting.map(({ clientId }) => clientId).filter((clientId) => mine.has(clientId));
    if (said.length > 0) outbox.onLog(this.channelId, said);
  }

  /** Keep what is shown for the next visit. */
  keep(): void {
    const newest = this.timeline.newest(KEPT_FOR_NEXT_VISIT);
    if (newest.length > 0 && !this.timeline.view.peek().stale)
      this.client.storage.keepPage(this.channelId, newest).catch(() => {});
  }

  close(): void {
    this.typing(false);
    this.keep();
    this.#unwatch();
    this.timeline.close();
    this.client.closed(this);
  }

  #target({ seq }: Message, clientId: string) {
    return {
      channelId: this.channelId,
      seq: BigInt(seq),
      clientId,
      afterSeq: BigInt(this.client.seen(this.channelId)),
    };
  }
}
