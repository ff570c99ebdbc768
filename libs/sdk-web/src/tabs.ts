/** Several tabs of one user: one of them leads, which sends what all of them say. */
export interface Tabs {
  readonly leading: boolean;
  /** This tab leads from now on. */
  onLeading(then: () => void): void;
  tellOutboxChanged(): void;
  /** Another tab changed the outbox. */
  onOutboxChanged(then: () => void): void;
  close(): void;
}

/** One page by itself: where the browser has no locks, and where nothing is shared. */
export class OneTab implements Tabs {
  readonly leading = true;
  onLeading(): void {}
  tellOutboxChanged(): void {}
  onOutboxChanged(): void {}
  close(): void {}
}

/** A Web Lock says who leads, for as long as the tab lives; a BroadcastChannel tells the others of changes. */
export class SharedTabs implements Tabs {
  #leading = false;
  #channel: BroadcastChannel;
  #stop = new AbortController();
  #release: () => void = () => {};
  #onLeading: (() => void)[] = [];

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    navigator.locks
      .request(name, { signal: this.#stop.signal }, () => {
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

  tellOutboxChanged(): void {
    this.#channel.postMessage("outbox");
  }

  onOutboxChanged(then: () => void): void {
    this.#channel.addEventListener("message", then);
  }

  #lead(): void {
    this.#leading = true;
    for (const then of this.#onLeading) then();
  }

  close(): void {
    this.#stop.abort();
    this.#release();
    this.#leading = false;
    this.#channel.close();
  }
}

/** What the browser has: locks need a secure context (https, or this machine). */
export function tabsNamed(name: string): Tabs {
  const able =
    typeof navigator !== "undefined" && navigator.locks !== undefined && typeof BroadcastChannel === "function";
  return able ? new SharedTabs(name) : new OneTab();
}
