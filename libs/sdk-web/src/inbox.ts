/** The user's channels, kept current from the stream without asking. */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals-core";
import { Entry } from "./entry.js";
import type { MyChannel as WireMyChannel } from "./gen/tertulia/chat/v1/channel_pb.js";
import type { Event } from "./gen/tertulia/chat/v1/event_pb.js";
import type { ServerFrame, Welcome } from "./gen/tertulia/chat/v1/session_pb.js";
import { channelFrom, isListed, logKey, type MyChannel, preferencesFrom } from "./models.js";

/** A contiguous part of a log; without events: they will not be sent, fetch them. */
export interface Range {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly events: readonly Event[] | undefined;
}

/** What others do with what the inbox hears. */
export interface InboxHooks {
  /** Ranges of a channel's log, in order of seq. */
  onRanges(channelId: string, ranges: readonly Range[]): void;
  /** Somebody said something in a channel. */
  onSaid(channel: MyChannel, events: readonly Event[]): void;
  /** The user read up to here on this device, and the server does not know it. */
  onReadLacking(channelId: string, readSeq: number): void;
}

const MAX_STRANGERS = 256; // ranges of logs that were heard of before their channel's notice

export class Inbox {
  /** Those that are listed: pinned first, then by the latest message. */
  readonly channels: ReadonlySignal<readonly MyChannel[]>;
  /** All, hidden ones too. */
  readonly all: ReadonlySignal<readonly MyChannel[]>;
  readonly me = signal("");
  #entries = new Map<string, Entry>(); // mutable, for a user may have 10,000; `#membership` tells of changes
  #membership = signal(0);
  #byLog = new Map<string, Entry>();
  #changes = signal(0);
  #noticed = new Set<string>();
  #strangers: [string, Range][] = [];
  #inboxLog = "";

  constructor(private readonly hooks: InboxHooks) {
    this.all = computed(() => {
      this.#changes.value;
      this.#membership.value;
      return [...this.#entries.values()].map((entry) => entry.channel.peek()).sort(byActivity);
    });
    this.channels = computed(() => this.all.value.filter(isListed));
  }

  /** A channel of the user's; undefined when there is none. */
  get(channelId: string): MyChannel | undefined {
    this.#membership.value;
    return this.#entries.get(channelId)?.channel.value;
  }

  /** The entry, for those who change it. Call `changed` afterwards. */
  entry(channelId: string): Entry | undefined {
    return this.#entries.get(channelId);
  }

  changed(): void {
    this.#changes.value += 1;
  }

  channelOf(logId: Uint8Array): MyChannel | undefined {
    return this.#byLog.get(logKey(logId))?.channel.peek();
  }

  /** Begin with what was shown last time, until the server tells. */
  restore(channels: readonly MyChannel[]): void {
    if (this.#entries.size > 0) return;
    for (const channel of channels) this.#insert(new Entry(channel, this.me.peek()));
  }

  /** Fragments may have been joined, so order means nothing across fields: what others stand on goes first. */
  onFrame(frame: ServerFrame): void {
    if (frame.slices.length === 0 && frame.notices.length === 0) return; // a heartbeat
    batch(() => {
      const ranges = rangesByLog(frame);
      for (const { notice } of frame.notices) if (notice.case === "welcome") this.#onWelcome(notice.value);
      for (const { notice } of frame.notices) if (notice.case === "channel") this.#onChannel(notice.value);
      this.#onInbox(ranges.get(this.#inboxLog) ?? []);
      ranges.delete(this.#inboxLog);
      for (const [log, parts] of ranges) this.#onRanges(log, parts);
      for (const { notice } of frame.notices) {
        if (notice.case === "read" && notice.value.userId === this.me.peek()) {
          const { logId, readSeq, readMessageCount } = notice.value;
          this.#byLog.get(logKey(logId))?.read(Number(readSeq), Number(readMessageCount));
        }
      }
      if (frame.notices.some(({ notice }) => notice.case === "caughtUp")) this.#onCaughtUp();
      this.changed();
    });
  }

  #onWelcome({ inboxLogId }: Welcome): void {
    this.#inboxLog = logKey(inboxLogId);
    this.#noticed.clear();
    this.#strangers = [];
  }

  #onChannel(wire: WireMyChannel): void {
    const channel = channelFrom(wire);
    this.#noticed.add(channel.channelId);
    let entry = this.entry(channel.channelId);
    if (entry === undefined || entry.channel.peek().logId !== channel.logId) {
      entry = new Entry(channel, this.me.peek());
      this.#insert(entry);
    } else {
      entry.onNotice(wire);
      const { readSeq } = entry.channel.peek();
      if (readSeq > channel.readSeq) this.hooks.onReadLacking(channel.channelId, readSeq);
    }
    const early = this.#strangers.filter(([log]) => log === channel.logId);
    this.#strangers = this.#strangers.filter(([log]) => log !== channel.logId);
    if (early.length > 0)
      this.#onRanges(
        channel.logId,
        early.map(([, range]) => range),
      );
  }

  /** The session has named every channel: what it did not name was left meanwhile. */
  #onCaughtUp(): void {
    for (const channelId of [...this.#entries.keys()]) if (!this.#noticed.has(channelId)) this.#remove(channelId);
  }

  #onRanges(log: string, ranges: readonly Range[]): void {
    const entry = this.#byLog.get(log);
    if (entry === undefined) {
      for (const range of ranges) if (this.#strangers.length < MAX_STRANGERS) this.#strangers.push([log, range]);
      return;
    }
    const { channelId } = entry.channel.peek();
    for (const { events, toSeq } of ranges) {
      if (events !== undefined && entry.onEvents(events)) this.hooks.onSaid(entry.channel.peek(), events);
      entry.onHead(toSeq);
    }
    this.hooks.onRanges(channelId, ranges);
    if (ranges.some(({ events }) => events?.some(({ content }) => content.case === "channelDeleted")))
      this.#remove(channelId);
  }

  /**
   * Joins come with a notice of their own, and of several entries for a channel the last counts. The inbox needs no position
   * of its own: what a gap passes over, the notices after a welcome say.
   */
  #onInbox(ranges: readonly Range[]): void {
    const left = new Map<string, boolean>();
    for (const { content } of ranges.flatMap(({ events = [] }) => events)) {
      if (content.case === "channelLeft") left.set(content.value.channelId, true);
      else if (content.case === "channelJoined") left.set(content.value.channelId, false);
      else if (content.case === "channelPreferencesChanged")
        this.entry(content.value.channelId)?.prefer(preferencesFrom(content.value.preferences));
    }
    for (const [channelId, gone] of left) if (gone) this.#remove(channelId);
  }

  #insert(entry: Entry): void {
    const { channelId, logId } = entry.channel.peek();
    this.#remove(channelId);
    this.#byLog.set(logId, entry);
    this.#entries.set(channelId, entry);
    this.#membership.value += 1;
  }

  #remove(channelId: string): void {
    const entry = this.#entries.get(channelId);
    if (entry === undefined) return;
    this.#byLog.delete(entry.channel.peek().logId);
    this.#entries.delete(channelId);
    this.#membership.value += 1;
  }
}

/** Slices and gaps of a frame; of one log in order of seq. */
function rangesByLog(frame: ServerFrame): Map<string, Range[]> {
  const byLog = new Map<string, Range[]>();
  const note = (logId: Uint8Array, fromSeq: bigint, toSeq: bigint, events: readonly Event[] | undefined) => {
    const log = logKey(logId);
    const ranges = byLog.get(log) ?? [];
    ranges.push({ fromSeq: Number(fromSeq), toSeq: Number(toSeq), events });
    byLog.set(log, ranges);
  };
  for (const { logId, fromSeq, toSeq, events } of frame.slices) note(logId, fromSeq, toSeq, events);
  for (const { notice } of frame.notices)
    if (notice.case === "gap") note(notice.value.logId, notice.value.fromSeq, notice.value.toSeq, undefined);
  for (const ranges of byLog.values()) ranges.sort((a, b) => a.fromSeq - b.fromSeq);
  return byLog;
}

function byActivity(a: MyChannel, b: MyChannel): number {
  const pinned = Number(b.preferences.pinned) - Number(a.preferences.pinned);
  return pinned || activityOf(b) - activityOf(a) || (a.channelId < b.channelId ? -1 : 1);
}

function activityOf(channel: MyChannel): number {
  return channel.lastMessage?.timeMs ?? channel.createTimeMs;
}
