/** What outlasts the page: messages that were not sent so far, and what was shown last, for the next visit to begin with. */

import type { Message, MyChannel, User } from "./models.js";

/** A message on its way. */
export interface Pending {
  readonly channelId: string;
  readonly clientId: string;
  /** The highest seq that was seen when it was first tried; the same on every try, so that it takes effect once (I4). */
  readonly afterSeq: number;
  readonly text: string;
  readonly replyToSeq: number;
  readonly mentions: readonly string[];
  readonly createTimeMs: number;
  /** Its place among all that this user has said here. */
  readonly order: number;
  /** Why the server would not have it; it waits for the user to send it again or drop it. */
  readonly refusal?: { readonly reason: string; readonly message: string };
  /** It is durable, and will come back as an event with this seq. */
  readonly seq?: number;
}

/** What was shown last. */
export interface Snapshot {
  readonly channels: readonly MyChannel[];
  readonly people: readonly User[];
}

/** All of it belongs to one user. Every method may fail (a private window, a full disk): callers go on without. */
export interface Storage {
  /** In order of `order`. */
  pending(): Promise<Pending[]>;
  /** Keep a message, at the end; answers it with its place. */
  add(pending: Omit<Pending, "order">): Promise<Pending>;
  replace(pending: Pending): Promise<void>;
  remove(order: number): Promise<void>;
  snapshot(): Promise<Snapshot | undefined>;
  keepSnapshot(snapshot: Snapshot): Promise<void>;
  page(channelId: string): Promise<readonly Message[] | undefined>;
  keepPage(channelId: string, messages: readonly Message[]): Promise<void>;
  /** Forget everything, and close: the user logs out. */
  clear(): Promise<void>;
  close(): void;
}

/** Lasts as long as the page. */
export class MemoryStorage implements Storage {
  #pending = new Map<number, Pending>();
  #order = 0;
  #snapshot: Snapshot | undefined;
  #pages = new Map<string, readonly Message[]>();

  async pending(): Promise<Pending[]> {
    return [...this.#pending.values()].sort((a, b) => a.order - b.order);
  }

  async add(pending: Omit<Pending, "order">): Promise<Pending> {
    this.#order += 1;
    const kept = { ...pending, order: this.#order };
    this.#pending.set(kept.order, kept);
    return kept;
  }

  async replace(pending: Pending): Promise<void> {
    if (this.#pending.has(pending.order)) this.#pending.set(pending.order, pending);
  }

  async remove(order: number): Promise<void> {
    this.#pending.delete(order);
  }

  async snapshot(): Promise<Snapshot | undefined> {
    return this.#snapshot;
  }

  async keepSnapshot(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
  }

  async page(channelId: string): Promise<readonly Message[] | undefined> {
    return this.#pages.get(channelId);
  }

  async keepPage(channelId: string, messages: readonly Message[]): Promise<void> {
    this.#pages.set(channelId, messages);
  }

  async clear(): Promise<void> {
    this.#pending.clear();
    this.#pages.clear();
    this.#snapshot = undefined;
  }

  close(): void {}
}
