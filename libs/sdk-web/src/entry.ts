/** One channel of the user's, kept current by notices and events: live state equals what a fresh notice would say. */

import { type Signal, signal } from "@preact/signals-core";
import type { MyChannel as WireMyChannel } from "./gen/tertulia/chat/v1/channel_pb.js";
import type { Event, MembershipChange } from "./gen/tertulia/chat/v1/event_pb.js";
import {
  ChannelKind,
  channelFrom,
  contentFrom,
  MemberRole,
  type MyChannel,
  messageFrom,
  type Permissions,
  type Preferences,
} from "./models.js";
import { apply } from "./states.js";

export class Entry {
  readonly channel: Signal<MyChannel>;
  /** Mentions that are known one by one; those that a notice counted are known as a number only. */
  #mentions = new Set<number>();
  #counted = 0;
  #countedUpTo = 0;

  constructor(
    initial: MyChannel,
    private readonly me: string,
  ) {
    this.channel = signal(initial);
    this.#counted = initial.mentionCount;
    this.#countedUpTo = initial.headSeq;
  }

  /** The server's own word. What the user has read here since stays read; the server is told of it by the caller. */
  onNotice(wire: WireMyChannel): void {
    const had = this.channel.value;
    const now = channelFrom(wire);
    this.#mentions.clear();
    this.#counted = now.mentionCount;
    this.#countedUpTo = now.headSeq;
    const { readSeq, readMessageCount, preferences } = had;
    this.channel.value = {
      ...now,
      preferences: preferences.version > now.preferences.version ? preferences : now.preferences,
    };
    if (readSeq > now.readSeq) this.read(readSeq, readMessageCount);
  }

  /** Whether somebody said something: what `message` events among these did, in order of seq. */
  onEvents(events: readonly Event[]): boolean {
    let channel = this.channel.value;
    let said = false;
    for (const event of events) {
      if (Number(event.seq) <= channel.headSeq) continue;
      channel = this.#apply(channel, event);
      said ||= event.content.case === "message";
    }
    this.channel.value = { ...channel, mentionCount: this.#mentionCount(channel.readSeq) };
    return said;
  }

  /** The range of a slice ended here, be its last events for this reader or not. */
  onHead(seq: number): void {
    if (seq > this.channel.value.headSeq) this.channel.value = { ...this.channel.value, headSeq: seq };
  }

  /** The user has read up to a seq, here or elsewhere. Answers whether that is news. */
  read(seq: number, messageCount: number): boolean {
    const channel = this.channel.value;
    if (seq <= channel.readSeq) return false;
    this.channel.value = {
      ...channel,
      readSeq: seq,
      readMessageCount: Math.max(messageCount, channel.readMessageCount),
      deliveredSeq: Math.max(seq, channel.deliveredSeq),
      mentionCount: this.#mentionCount(seq),
    };
    return true;
  }

  delivered(seq: number): void {
    const channel = this.channel.value;
    if (seq > channel.deliveredSeq) this.channel.value = { ...channel, deliveredSeq: seq };
  }

  prefer(preferences: Preferences): void {
    const channel = this.channel.value;
    if (preferences.version > channel.preferences.version) this.channel.value = { ...channel, preferences };
  }

  #apply(channel: MyChannel, event: Event): MyChannel {
    const seq = Number(event.seq);
    const headMessageCount = Math.max(channel.headMessageCount, Number(event.messageCount));
    let next: MyChannel = { ...channel, headSeq: seq, headMessageCount };
    if (channel.lastMessage !== undefined) next = { ...next, lastMessage: apply(channel.lastMessage, event) };
    const { content } = event;
    switch (content.case) {
      case "message":
        if (event.senderUserId !== this.me) this.#mention(seq, content.value.mentionedUserIds);
        return { ...next, lastMessage: messageFrom(event) };
      case "messageEdited": {
        const { targetSeq, message } = content.value;
        if (event.senderUserId !== this.me) this.#mention(Number(targetSeq), contentFrom(message).mentions);
        return next;
      }
      case "messageDeleted":
        this.#mentions.delete(Number(content.value.targetSeq));
        return next;
      case "membershipChange":
        return this.#members(next, content.value);
      case "channelChanged": {
        const fields = content.value.fields;
        if (fields === undefined) return next;
        const { name, coverUrl, slowModeSeconds } = fields;
        return { ...next, name, coverUrl, slowModeSeconds };
      }
      default:
        return next;
    }
  }

  #members(channel: MyChannel, change: MembershipChange): MyChannel {
    const memberCount = channel.memberCount + change.addedUserIds.length - change.removedUserIds.length;
    const role = change.roleChanges.find(({ userId }) => userId === this.me)?.role ?? channel.role;
    const permissions = role === channel.role ? channel.permissions : permissionsOf(channel.kind, role);
    return { ...channel, memberCount, role, permissions };
  }

  #mention(seq: number, userIds: readonly string[]): void {
    if (userIds.includes(this.me)) this.#mentions.add(seq);
    else this.#mentions.delete(seq);
  }

  /** Those that were only counted are taken as unread until all of them are read. */
  #mentionCount(readSeq: number): number {
    for (const seq of this.#mentions) if (seq <= readSeq) this.#mentions.delete(seq);
    if (readSeq >= this.#countedUpTo) this.#counted = 0;
    return this.#counted + this.#mentions.size;
  }
}

/** What a role allows; the same rules as the server's, for the moment between a role's change and the next notice. */
function permissionsOf(kind: ChannelKind, role: MemberRole): Permissions {
  const own = role === MemberRole.OWNER;
  const operates = own || role === MemberRole.OPERATOR;
  const send = operates || kind !== ChannelKind.BROADCAST;
  return { send, react: true, moderate: operates, manage: operates, own };
}
