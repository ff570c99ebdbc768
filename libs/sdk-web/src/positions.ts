/** How far the user has read, and what has reached this device: told to the server, the highest only, a channel at a time. */

import { Code } from "@connectrpc/connect";
import { Backoff, sleep } from "./backoff.js";
import { errorFrom } from "./errors.js";

/** At most so often a position of a channel is told: "at most once a second" is the protocol's word for deliveries. */
const PAUSE_MS = 1_000;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 15_000;

/** Tells positions of one sort. A position that is refused is dropped; one that could not be told is told again. */
export class Positions {
  #waiting = new Map<string, number>();
  #told = new Map<string, number>();
  #running = false;
  #stop = new AbortController();
  #wake: () => void = () => {};

  constructor(
    private readonly tell: (channelId: string, seq: number) => Promise<unknown>,
    private readonly pauseMs = PAUSE_MS,
  ) {}

  advance(channelId: string, seq: number): void {
    if (seq <= Math.max(this.#told.get(channelId) ?? 0, this.#waiting.get(channelId) ?? 0)) return;
    this.#waiting.set(channelId, seq);
    if (!this.#running) void this.#run();
  }

  /** The server does not have it (any more): tell it again. */
  again(channelId: string, seq: number): void {
    this.#told.delete(channelId);
    this.advance(channelId, seq);
  }

  /** There is a connection: do not wait any longer. */
  nudge(): void {
    this.#wake();
  }

  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    this.#running = true;
    const backoff = new Backoff(RETRY_BASE_MS, RETRY_CAP_MS);
    while (this.#waiting.size > 0 && !this.#stop.signal.aborted) {
      const failed = await this.#tellAll();
      if (!failed) backoff.reset();
      await sleep(failed ? backoff.next() : this.pauseMs, this.#stop.signal, (wake) => {
        this.#wake = wake;
      });
    }
    this.#running = false;
  }

  async #tellAll(): Promise<boolean> {
    for (const [channelId, seq] of [...this.#waiting]) {
      try {
        await this.tell(channelId, seq);
        this.#told.set(channelId, seq);
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (error.transient || error.code === Code.Unauthenticated) return true;
      }
      if (this.#waiting.get(channelId) === seq) this.#waiting.delete(channelId);
    }
    return false;
  }
}
