/** Who is typing where. Nobody is believed for longer than the protocol says. */

import { type ReadonlySignal, type Signal, signal } from "@preact/signals-core";

const FORGET_MS = 6_000;

export class Typists {
  #channels = new Map<string, Signal<readonly string[]>>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** Who types in a channel, in the order in which they began. */
  in(channelId: string): ReadonlySignal<readonly string[]> {
    return this.#channel(channelId);
  }

  onSignal(channelId: string, userId: string, active: boolean): void {
    const key = `${channelId} ${userId}`;
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    const typing = this.#channel(channelId);
    if (!active) {
      if (typing.value.includes(userId)) typing.value = typing.value.filter((other) => other !== userId);
      return;
    }
    if (!typing.value.includes(userId)) typing.value = [...typing.value, userId];
    this.#timers.set(
      key,
      setTimeout(() => this.onSignal(channelId, userId, false), FORGET_MS),
    );
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    for (const typing of this.#channels.values()) typing.value = [];
  }

  #channel(channelId: string): Signal<readonly string[]> {
    let typing = this.#channels.get(channelId);
    if (typing === undefined) {
      typing = signal<readonly string[]>([]);
      this.#channels.set(channelId, typing);
    }
    return typing;
  }
}
