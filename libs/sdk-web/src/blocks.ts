/** Whom the user has blocked. The server says it once; what is changed here is known at once. */

import { type ReadonlySignal, signal } from "@preact/signals-core";
import { tryUnderOneId } from "./commands.js";
import type { Rpc } from "./rpc.js";

const PAGE = 200;

export class Blocks {
  readonly #all = signal<ReadonlySet<string>>(new Set());
  /** Empty until `load` was answered. */
  readonly all: ReadonlySignal<ReadonlySet<string>> = this.#all;
  #loading: Promise<void> | undefined;

  constructor(private readonly rpc: Rpc) {}

  /** Ask the server, the first time. Throws `TertuliaError`; then it may be asked again. */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((thrown: unknown) => {
      this.#loading = undefined;
      throw thrown;
    });
    return this.#loading;
  }

  async block(userId: string): Promise<void> {
    await tryUnderOneId(() => this.rpc.users.blockUser({ userId }));
    this.#all.value = new Set([...this.#all.value, userId]);
  }

  async unblock(userId: string): Promise<void> {
    await tryUnderOneId(() => this.rpc.users.unblockUser({ userId }));
    this.#all.value = new Set([...this.#all.value].filter((other) => other !== userId));
  }

  async #load(): Promise<void> {
    for (let pageToken = ""; ; ) {
      const page = await tryUnderOneId(() => this.rpc.users.listBlockedUsers({ pageSize: PAGE, pageToken }));
      this.#all.value = new Set([...this.#all.value, ...page.users.map(({ userId }) => userId)]);
      if (page.nextPageToken === "") return;
      pageToken = page.nextPageToken;
    }
  }
}
