/** The stream of what happens: one session after the other, for as long as the client is open. */

import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { signal } from "@preact/signals-core";
import { Backoff, sleep } from "./backoff.js";
import { errorFrom, TertuliaError } from "./errors.js";
import {
  type Goodbye,
  GoodbyeCode,
  type ListenRequest,
  ListenRequestSchema,
  type ServerFrame,
} from "./gen/tertulia/chat/v1/session_pb.js";
import type { Rpc } from "./rpc.js";
import type { Tokens } from "./tokens.js";

/** How the connection is, for people to see. */
export type Connection =
  | { readonly state: "connecting" }
  /** Connected, and getting what was missed. */
  | { readonly state: "catching-up" }
  | { readonly state: "online" }
  /** Tried, and will try again. `browser`: the device itself says that it has no network. */
  | { readonly state: "offline"; readonly browser: boolean }
  /** Over: closed here, or for a reason that trying again does not mend. */
  | { readonly state: "ended"; readonly error: TertuliaError | undefined };

export const CLIENT_NAME = "tertulia-web/0.1";
const RECONNECT_BASE_MS = 200;
const RECONNECT_CAP_MS = 10_000;
const STABLE_MS = 5_000; // a session that lasted so long was a good one: the next attempt after it comes soon
const SILENCE_MS = 45_000; // the door sends a heartbeat every 15 s; a laptop that slept finds out at once that it did
const WELCOME_MS = 15_000; // from the attempt to the first frame

/** What the listener needs from those who know where the client stands. */
export interface Audience {
  hello(): Promise<Partial<Pick<ListenRequest, "hello" | "watchUserIds">>>;
  onFrame(frame: ServerFrame): void;
  onDisconnect(): void;
}

export class Listener {
  readonly connection = signal<Connection>({ state: "connecting" });
  #stop = new AbortController();
  #wake: () => void = () => {};
  #cut: AbortController | undefined;
  #goodbye: Goodbye | undefined;

  constructor(
    private readonly rpc: Rpc,
    private readonly tokens: Tokens,
    private readonly audience: Audience,
  ) {}

  /** Listen until `close`, or until trying again would not help. Never throws. */
  async run(): Promise<void> {
    const backoff = new Backoff(RECONNECT_BASE_MS, RECONNECT_CAP_MS);
    let error: TertuliaError | undefined;
    while (!this.#stop.signal.aborted) {
      const begun = Date.now();
      const end = await this.#session();
      this.audience.onDisconnect();
      if (this.#stop.signal.aborted) break;
      if (!end.transient) {
        error = end;
        break;
      }
      if (Date.now() - begun > STABLE_MS) backoff.reset();
      this.connection.value = { state: "offline", browser: !isOnline() };
      await sleep(backoff.next() + end.retryAfterMs, this.#stop.signal, (wake) => {
        this.#wake = wake;
      });
    }
    this.connection.value = { state: "ended", error };
  }

  /** The device has a network again, or was woken: wait no longer for the next attempt. */
  nudge(): void {
    this.#wake();
  }

  /** The stream is of no use any more: begin another. */
  restart(): void {
    this.#cut?.abort();
    this.#wake();
  }

  close(): void {
    this.#stop.abort();
    this.#cut?.abort();
  }

  /** One session: how it ended. */
  async #session(): Promise<TertuliaError> {
    this.connection.value = { state: "connecting" };
    this.#goodbye = undefined;
    const cut = new AbortController();
    this.#cut = cut;
    let silence = setTimeout(() => cut.abort(), WELCOME_MS);
    let token = "";
    try {
      token = await this.tokens.get();
      const request = create(ListenRequestSchema, await this.audience.hello());
      // without a timeout: the stream is as long as the visit
      for await (const frame of this.rpc.session.listen(request, { signal: cut.signal, timeoutMs: 0 })) {
        clearTimeout(silence);
        silence = setTimeout(() => cut.abort(), SILENCE_MS);
        this.#onFrame(frame);
        if (this.#goodbye !== undefined) break;
      }
      return this.#ended(token);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.code === Code.Unauthenticated && this.tokens.refused(token)) return AGAIN;
      return error;
    } finally {
      clearTimeout(silence);
      cut.abort();
    }
  }

  #onFrame(frame: ServerFrame): void {
    this.audience.onFrame(frame);
    for (const { notice } of frame.notices) {
      if (notice.case === "welcome") {
        this.tokens.accepted();
        if (this.connection.value.state === "connecting") this.connection.value = { state: "catching-up" };
      } else if (notice.case === "goodbye") this.#goodbye = notice.value;
    }
    // last, for a frame may hold all of it
    if (frame.notices.some(({ notice }) => notice.case === "caughtUp")) this.connection.value = { state: "online" };
  }

  #ended(token: string): TertuliaError {
    const goodbye = this.#goodbye;
    if (goodbye === undefined) return AGAIN;
    if (goodbye.code === GoodbyeCode.TOKEN_EXPIRED && !this.tokens.refused(token))
      return new TertuliaError(goodbye.message || "the token has expired", Code.Unauthenticated, "TOKEN_EXPIRED");
    return goodbye.reconnect ? AGAIN : new TertuliaError(goodbye.message, Code.FailedPrecondition, "SESSION_ENDED");
  }
}

/** The session is over, and another may be begun. */
const AGAIN = new TertuliaError("the session ended", Code.Unavailable, "");

function isOnline(): boolean {
  return typeof navigator === "undefined" || navigator.onLine !== false;
}
