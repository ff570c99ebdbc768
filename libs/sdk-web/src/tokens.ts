import { Code } from "@connectrpc/connect";
import { TertuliaError } from "./errors.js";

/** Answers with a new token from the application's back end, which has seen who is asking. */
export type TokenProvider = () => Promise<string>;

/** The application's back end may never answer; then it is asked again, as when it fails. */
const ASK_MS = 15_000;

/**
 * The token in use, and a new one when a server would not have it. The browser's clock is not asked: it may be wrong.
 * A token that was refused when it was new would only be refused again, so that ends it.
 */
export class Tokens {
  #token: string | undefined;
  #asking: Promise<string> | undefined;
  #accepted = false;
  readonly #provider: TokenProvider | undefined;

  constructor(token: string | TokenProvider) {
    if (typeof token === "string") this.#token = token;
    else this.#provider = token;
  }

  async get(): Promise<string> {
    if (this.#token !== undefined) return this.#token;
    if (this.#provider === undefined) throw new TypeError("no token");
    this.#asking ??= inTime(this.#provider()).finally(() => {
      this.#asking = undefined;
    });
    this.#token = await this.#asking;
    this.#accepted = false;
    return this.#token;
  }

  /** A server took the token. */
  accepted(): void {
    this.#accepted = true;
  }

  /** A server would not have `token`: whether another can be asked for. */
  refused(token: string): boolean {
    if (this.#provider === undefined) return false;
    if (this.#token !== token) return true; // somebody asked already
    if (!this.#accepted) return false;
    this.#token = undefined;
    return true;
  }
}

function inTime(token: Promise<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new TertuliaError("no token came in time", Code.DeadlineExceeded, ""));
    const timer = setTimeout(late, ASK_MS);
    token.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
