/** Full-jitter backoff: each wait is random up to a cap that doubles, so that clients that fell together come back apart. */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly baseMs: number,
    private readonly capMs: number,
  ) {}

  /** How long to wait before the next attempt. */
  next(): number {
    const cap = Math.min(this.capMs, this.baseMs * 2 ** this.#failures);
    this.#failures += 1;
    return Math.random() * cap;
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Wait, or until `signal` says stop or `wake` is called. Never throws. */
export function sleep(ms: number, signal: AbortSignal, onWake?: (wake: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    onWake?.(end);
    if (signal.aborted) end();
  });
}
