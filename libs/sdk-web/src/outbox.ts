/**
 * Messages on their way: kept until the server has them, sent in order of a channel, one at a time, each under one id until
 * there is an answer, so that it takes effect once (I4). Several tabs share one outbox, and one of them sends.
 */

import { type ReadonlySignal, signal } from "@preact/signals-core";
import { Backoff, sleep } from "./backoff.js";
import { errorFrom, type TertuliaError } from "./errors.js";
import type { Rpc } from "./rpc.js";
import type { Pending, Storage } from "./storage.js";
import type { Tabs } from "./tabs.js";

const RETRY_BASE_MS = 300;
const RETRY_CAP_MS = 15_000;
const UNKEPT = 2 ** 52; // places of what the browser would not keep: after all that it has kept

export interface Draft {
  readonly channelId: string;
  readonly text: string;
  readonly replyToSeq?: number;
  readonly mentions?: readonly string[];
}

export class Outbox {
  readonly #entries = signal<readonly Pending[]>([]);
  /** All that is not in the log so far, in the order in which it was said. */
  readonly entries: ReadonlySignal<readonly Pending[]> = this.#entries;
  #lanes = new Set<string>(); // channels with a message on its way
  #unkept = 0; // how many could not be kept: they last as long as the page
  #wakes = new Set<() => void>();
  #stop = new AbortController();

  constructor(
    private readonly rpc: Rpc,
    private readonly storage: Storage,
    private readonly tabs: Tabs,
    private readonly seen: (channelId: string) => number,
  ) {
    tabs.onOutboxChanged(() => void this.open());
    tabs.onLeading(() => void this.open());
  }

  /** Take up what an earlier visit left, or another tab has added, sent or dropped. Never throws. */
  async open(): Promise<void> {
    const kept = await this.storage.pending().catch(() => undefined);
    if (kept !== undefined) {
      const here = this.#entries.value.filter(({ order, seq }) => seq !== undefined || order >= UNKEPT);
      const isHere = new Set(here.map(({ order }) => order));
      this.#entries.value = [...here, ...kept.filter(({ order }) => !isHere.has(order))].sort(
        (a, b) => a.order - b.order,
      );
    }
    this.#sendAll();
  }

  close(): void {
    this.#stop.abort();
  }

  /** Say something. It is kept first, if the browser keeps anything, and sent when there is a connection. */
  async send({ channelId, text, replyToSeq = 0, mentions = [] }: Draft): Promise<Pending> {
    const said = {
      channelId,
      clientId: randomId(),
      afterSeq: this.seen(channelId),
      text,
      replyToSeq,
      mentions,
      createTimeMs: Date.now(),
    };
    const pending = await this.storage.add(said).catch(() => {
      this.#unkept += 1;
      return { ...said, order: UNKEPT + this.#unkept };
    });
    this.#entries.value = [...this.#entries.value, pending];
    this.tabs.tellOutboxChanged();
    this.#sendAll();
    return pending;
  }

  /** Try one again that was refused. */
  async retry(pending: Pending): Promise<void> {
    const { refusal: _, ...again } = pending;
    await this.#replace(again);
    this.#sendAll();
  }

  /** Do not send it after all. Too late when it is on its way. Throws where it cannot be taken out of what is kept. */
  async drop(pending: Pending): Promise<void> {
    if (pending.order < UNKEPT) await this.storage.remove(pending.order);
    this.#forget(pending.order);
    this.tabs.tellOutboxChanged();
  }

  /** There is a connection: what waits need not wait longer. */
  nudge(): void {
    for (const wake of this.#wakes) wake();
    this.#sendAll();
  }

  /** The log has come this far, with these ids of ours in it: they are shown from the log now. */
  onLog(channelId: string, position: number, clientIds: readonly string[]): void {
    const had = this.#entries.value;
    const left = had.filter(
      (entry) =>
        entry.channelId !== channelId ||
        (!clientIds.includes(entry.clientId) && (entry.seq === undefined || entry.seq > position)),
    );
    if (left.length < had.length) this.#entries.value = left;
  }

  #sendAll(): void {
    const channels = new Set(
      this.#entries.value.filter((entry) => this.#isToSend(entry)).map(({ channelId }) => channelId),
    );
    for (const channelId of channels) if (!this.#lanes.has(channelId)) void this.#runLane(channelId);
  }

  /** The tab that leads sends what all of them have kept; what could not be kept only this one knows. */
  #isToSend({ refusal, seq, order }: Pending): boolean {
    return refusal === undefined && seq === undefined && (this.tabs.leading || order >= UNKEPT);
  }

  async #runLane(channelId: string): Promise<void> {
    this.#lanes.add(channelId);
    const backoff = new Backoff(RETRY_BASE_MS, RETRY_CAP_MS);
    try {
      while (!this.#stop.signal.aborted) {
        const next = this.#entries.value.find((entry) => entry.channelId === channelId && this.#isToSend(entry));
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
    const { channelId, clientId, afterSeq, text, replyToSeq, mentions } = entry;
    try {
      const { seq } = await this.rpc.messages.sendMessage({
        channelId,
        clientMessageId: clientId,
        afterSeq: BigInt(afterSeq),
        message: { text, replyToSeq: BigInt(replyToSeq), mentionedUserIds: [...mentions] },
      });
      await this.storage.remove(entry.order).catch(() => {}); // sent again by the next visit, and said once
      this.#update({ ...entry, seq: Number(seq) });
      if (this.seen(channelId) >= Number(seq)) this.onLog(channelId, this.seen(channelId), []);
      this.tabs.tellOutboxChanged();
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.reason === "DEDUP_SCAN_LIMIT" && error.metadata["scanned_to_seq"] !== undefined)
        await this.#replace({ ...entry, afterSeq: Number(error.metadata["scanned_to_seq"]) });
      else if (error.transient || error.reason === "TOKEN_EXPIRED" || error.reason === "TOKEN_REVOKED") return error;
      else await this.#replace({ ...entry, refusal: { reason: error.reason, message: error.message } });
    }
    return undefined;
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

  #forget(order: number): void {
    this.#entries.value = this.#entries.value.filter((had) => had.order !== order);
  }
}

/** 128 random bits. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
