/** That a message was sent, and as what. */
export interface Sent {
  readonly clientId: string;
  readonly seq: number;
}

/** Several tabs of one user: one of them leads, which sends what all of them say. */
export interface Tabs {
  readonly leading: boolean;
  /** This tab leads from now on. */
  onLeading(then: () => void): void;
  /** `sent`: what changed, if it is only that. */
  tellOutboxChanged(sent?: Sent): void;
  /** Another tab changed the outbox. */
  onOutboxChanged(then: (sent: Sent | undefined) => void): void;
  /** Lead no longer, and never again: another tab does. */
  resign(): void;
  close(): void;
}

/** One page by itself: where the browser has no locks, and where nothing is shared. */
export class OneTab implements Tabs {
  readonly leading = true;
  onLeading(): void {}
  tellOutboxChanged(): void {}
  onOutboxChanged(): void {}
  resign(): void {}
  close(): void {}
}

/** A Web Lock says who leads, for as long as the tab lives; a BroadcastChannel tells the others of changes. */
class SharedTabs implements Tabs {
  #leading = false;
  #isClosed = false;
  #stop = new AbortController();
  #release: () => void = () => {};
  #onLeading: (() => void)[] = [];

  /** Throws where the browser lets the page have no locks. */
  constructor(
    name: string,
    locks: LockManager,
    private readonly channel: BroadcastChannel,
  ) {
    locks
      .request(name, { signal: this.#stop.signal }, () => {
        if (this.#stop.signal.aborted) return undefined;
        this.#lead();
        return new Promise<void>((resolve) => {
          this.#release = resolve;
        });
      })
      .catch(() => {
        if (!this.#stop.signal.aborted) this.#lead(); // where a frame may keep nothing there are no locks, and nothing is shared
      });
  }

  get leading(): boolean {
    return this.#leading;
  }

  onLeading(then: () => void): void {
    this.#onLeading.push(then);
  }

  tellOutboxChanged(sent?: Sent): void {
    if (!this.#isClosed) this.channel.postMessage({ sent });
  }

  onOutboxChanged(then: (sent: Sent | undefined) => void): void {
    this.channel.addEventListener("message", ({ data }: MessageEvent<{ sent?: Sent }>) => then(data.sent));
  }

  #lead(): void {
    this.#leading = true;
    for (const then of this.#onLeading) then();
  }

  resign(): void {
    this.#stop.abort();
    this.#release();
    this.#leading = false;
  }

  close(): void {
    this.resign();
    this.#isClosed = true;
    this.channel.close();
  }
}

/**
 * What the browser has: locks need a secure context (https, or this machine). Where cookies are blocked, a browser may throw as
 * soon as either is touched.
 */
export function tabsNamed(name: string): Tabs {
  let channel: BroadcastChannel | undefined;
  try {
    channel = new BroadcastChannel(name);
    return new SharedTabs(name, navigator.locks, channel);
  } catch {
    channel?.close();
    return new OneTab();
  }
}
