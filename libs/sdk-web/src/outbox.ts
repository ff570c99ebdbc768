/**
 * Messages on their way: kept until the server has them, sent in order of a channel, one at a time, each under one id until
 * there is an answer, so that it takes effect once (I4). Several tabs share one outbox, and one of them sends.
 */

import { type ReadonlySignal, signal } from "@preact/signals-core";
import { Backoff, sleep } from "./backoff.js";
import { errorFrom, type TertuliaError } from "./errors.js";
import type { Rpc } from "./rpc.js";
import type { Pending, Storage } from "./storage.js";
import type { Sent, Tabs } from "./tabs.js";

const RETRY_BASE_MS = 300;
const RETRY_CAP_MS = 15_000;
const UNKEPT = 2 ** 52; // places of what the browser would not keep: after all that it has kept
/** The token is to blame, not the message, which waits for another. */
const OF_THE_TOKEN: ReadonlySet<string> = new Set(["TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED"]);
const MAX_SETTLED = 1_000; // ids: more than are said between two looks at what is kept

export interface Draft {
  readonly channelId: string;
  readonly text: string;
  readonly replyToSeq?: number;
  readonly mentions?: readonly string[];
}

/** How far the user's channels are known. */
export interface Log {
  /** The highest seq that is known of a channel. */
  seen(channelId: string): number;
  /** The highest seq up to which its messages are shown. */
  shown(channelId: string): number;
}

export class Outbox {
  readonly #entries = signal<readonly Pending[]>([]);
  /** All that is not in the log so far, in the order in which it was said. */
  readonly entries: ReadonlySignal<readonly Pending[]> = this.#entries;
  #lanes = new Set<string>(); // channels with a message on its way
  #unkept = 0; // how many could not be kept: they last as long as the page
  #settled = new Set<string>(); // client ids that are in the log or were dropped, whatever is still kept of them
  #adding: Promise<unknown> = Promise.resolve();
  #wakes = new Set<() => void>();
  #stop = new AbortController();

  constructor(
    private readonly rpc: Rpc,
    private readonly storage: Storage,
    private readonly tabs: Tabs,
    private readonly log: Log,
  ) {
    tabs.onOutboxChanged((sent) => {
      if (sent !== undefined) this.#sent(sent);
      void this.open();
    });
    tabs.onLeading(() => void this.open());
  }

  /** Take up what an earlier visit left, or another tab has added, sent or dropped. Never throws. */
  async open(): Promise<void> {
    await this.#read();
    this.#sendAll();
  }

  close(): void {
    this.#stop.abort();
  }

  /** Say something. It is kept first, if the browser keeps anything, and sent when there is a connection. */
  send({ channelId, text, replyToSeq = 0, mentions = [] }: Draft): Promise<Pending> {
    const said = {
      channelId,
      clientId: randomId(),
      afterSeq: this.log.seen(channelId),
      text,
      replyToSeq,
      mentions,
      createTimeMs: Date.now(),
    };
    const added = this.#adding.then(() => this.#add(said)); // one after the other, whatever becomes of each
    this.#adding = added;
    return added;
  }

  /** Try one again that was refused. */
  async retry({ clientId }: Pending): Promise<void> {
    const refused = this.#entries.value.find((entry) => entry.clientId === clientId && entry.refusal !== undefined);
    if (refused === undefined || this.#settled.has(clientId)) return; // another tab was faster
    const { refusal: _, ...again } = refused;
    await this.#replace(again);
    this.#sendAll();
  }

  /** Do not send it after all. Too late when it is on its way. Throws where it cannot be taken out of what is kept. */
  async drop(pending: Pending): Promise<void> {
    this.#settle(pending.clientId); // at once: a look at what is kept may be under way
    try {
      if (pending.order < UNKEPT) await this.storage.remove(pending.order);
    } catch (thrown) {
      this.#settled.delete(pending.clientId);
      await this.open();
      throw thrown;
    }
    this.#entries.value = this.#entries.value.filter(({ order }) => order !== pending.order);
    this.tabs.tellOutboxChanged();
    this.nudge();
  }

  /** There is a connection: what waits need not wait longer. */
  nudge(): void {
    for (const wake of this.#wakes) wake();
    this.#sendAll();
  }

  /** A channel's log has come on, with these ids of ours in it: they are shown from the log now. */
  onLog(channelId: string, clientIds: readonly string[]): void {
    const position = this.log.shown(channelId);
    for (const clientId of clientIds) this.#settle(clientId);
    const gone = this.#entries.value.filter(
      (entry) =>
        entry.channelId === channelId &&
        (clientIds.includes(entry.clientId) || (entry.seq !== undefined && entry.seq <= position)),
    );
    if (gone.length === 0) return;
    for (const { clientId } of gone) this.#settle(clientId);
    this.#entries.value = this.#entries.value.filter((entry) => !gone.includes(entry));
    // its answer may have been lost, and then nobody else would take it out
    for (const { order } of gone) if (order < UNKEPT) this.storage.remove(order).catch(() => {});
    if (gone.some(isWaiting))
      this.nudge(); // what waited for its answer waits no longer
    else this.#sendAll();
  }

  /** Keep a message, and show it with all that was said before, in whichever tab. */
  async #add(said: Omit<Pending, "order">): Promise<Pending> {
    const pending = await this.#keep(said);
    await this.#read();
    const isSettled = this.#settled.has(pending.clientId); // another tab may have sent it already
    if (!isSettled && !this.#entries.value.some(({ order }) => order === pending.order))
      this.#entries.value = [...this.#entries.value, pending].sort(byOrder);
    this.tabs.tellOutboxChanged();
    this.#sendAll();
    return pending;
  }

  /**
   * What is said in a channel after something that could not be kept, and waits, is not kept either, or it would be sent before it.
   * What was refused holds nobody back: all that is said after it is sent before it anyhow.
   */
  async #keep(said: Omit<Pending, "order">): Promise<Pending> {
    const isBehind = this.#entries.value.some(
      (entry) => entry.channelId === said.channelId && entry.order >= UNKEPT && isWaiting(entry),
    );
    const kept = isBehind ? undefined : await this.storage.add(said).catch(() => undefined);
    if (kept !== undefined) return kept;
    this.#unkept += 1;
    return { ...said, order: UNKEPT + this.#unkept };
  }

  async #read(): Promise<void> {
    const kept = await this.storage.pending().catch(() => undefined);
    if (kept === undefined) return;
    const here = this.#entries.value.filter(({ order, seq }) => seq !== undefined || order >= UNKEPT);
    const isHere = new Set(here.map(({ order }) => order));
    const others = kept.filter(({ order, clientId }) => !isHere.has(order) && !this.#settled.has(clientId));
    this.#entries.value = [...here, ...others].sort(byOrder);
  }

  #sendAll(): void {
    const channels = new Set(this.#entries.value.filter(isWaiting).map(({ channelId }) => channelId));
    for (const channelId of channels) if (!this.#lanes.has(channelId)) void this.#runLane(channelId);
  }

  /** What is to be sent next. The tab that leads sends what all of them have kept, a tab itself what could not be kept. */
  #next(channelId: string): Pending | undefined {
    const first = this.#entries.value.find((entry) => entry.channelId === channelId && isWaiting(entry));
    return first !== undefined && (this.tabs.leading || first.order >= UNKEPT) ? first : undefined;
  }

  async #runLane(channelId: string): Promise<void> {
    this.#lanes.add(channelId);
    const backoff = new Backoff(RETRY_BASE_MS, RETRY_CAP_MS);
    try {
      while (!this.#stop.signal.aborted) {
        const next = this.#next(channelId);
        if (next === undefined) return;
        const error = await this.#try(next);
        if (error === undefined) backoff.reset();
        else await this.#wait(Math.max(backoff.next(), error.retryAfterMs));
      }
    } finally {
      this.#lanes.delete(channelId);
    }
  }

  /** One try. Answers the error that passes by itself, if there was one. */
  async #try(entry: Pending): Promise<TertuliaError | undefined> {
    const { channelId, clientId, afterSeq, text, replyToSeq, mentions, order } = entry;
    try {
      const answer = await this.rpc.messages.sendMessage({
        channelId,
        clientMessageId: clientId,
        afterSeq: BigInt(afterSeq),
        message: { text, replyToSeq: BigInt(replyToSeq), mentionedUserIds: [...mentions] },
      });
      const sent = { clientId, seq: Number(answer.seq) };
      this.#sent(sent);
      await this.storage.remove(order).catch(() => {}); // sent again by the next visit, and said once
      this.tabs.tellOutboxChanged(sent);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.reason === "DEDUP_SCAN_LIMIT" && error.metadata["scanned_to_seq"] !== undefined)
        await this.#replace({ ...entry, afterSeq: Number(error.metadata["scanned_to_seq"]) });
      else if (error.transient || OF_THE_TOKEN.has(error.reason)) return error;
      else await this.#replace({ ...entry, refusal: { reason: error.reason, message: error.message } });
    }
    return undefined;
  }

  /** It is durable: shown until the log shows it. */
  #sent({ clientId, seq }: Sent): void {
    const entry = this.#entries.value.find((had) => had.clientId === clientId);
    if (entry === undefined) return;
    this.#update({ ...entry, seq });
    this.onLog(entry.channelId, []);
  }

  async #wait(ms: number): Promise<void> {
    let wake = () => {};
    await sleep(ms, this.#stop.signal, (given) => {
      wake = given;
      this.#wakes.add(wake);
    });
    this.#wakes.delete(wake);
  }

  async #replace(entry: Pending): Promise<void> {
    await this.storage.replace(entry).catch(() => {}); // the next visit finds out anew
    this.#update(entry);
    this.tabs.tellOutboxChanged();
  }

  #update(entry: Pending): void {
    this.#entries.value = this.#entries.value.map((had) => (had.order === entry.order ? entry : had));
  }

  #settle(clientId: string): void {
    this.#settled.add(clientId);
    const [oldest] = this.#settled;
    if (oldest !== undefined && this.#settled.size > MAX_SETTLED) this.#settled.delete(oldest);
  }
}

function isWaiting({ refusal, seq }: Pending): boolean {
  return refusal === undefined && seq === undefined;
}

function byOrder(a: Pending, b: Pending): number {
  return a.order - b.order;
}

/** 128 random bits. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
