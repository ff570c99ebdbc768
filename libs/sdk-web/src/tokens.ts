import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import { TertuliaError } from "./errors.js";

/** Answers with a new token from the application's back end, which has seen who is asking. */
export type TokenProvider = () => Promise<string>;

/** The application's back end may never answer; then it is asked again, as when it fails. */
const ASK_MS = 15_000;

/**
 * The token in use, and a new one when a server would not have it. The browser's clock is not asked: it may be wrong.
 * A token that was refused when it was new would only be refused again, so that ends it. So does one of another user: what this one
 * has said would be sent as theirs.
 */
export class Tokens {
  #token: string | undefined;
  #asking: Promise<string> | undefined;
  #accepted = false;
  readonly #provider: TokenProvider | undefined;

  constructor(
    token: string | TokenProvider,
    private readonly userId: string,
  ) {
    if (typeof token === "string") this.#token = token;
    else this.#provider = token;
  }

  /** Throws `TertuliaError`: none came in time, or it is another user's (TOKEN_INVALID). */
  async get(): Promise<string> {
    if (this.#token !== undefined) return this.#checked(this.#token);
    if (this.#provider === undefined) throw new TypeError("no token");
    this.#asking ??= inTime(this.#provider()).finally(() => {
      this.#asking = undefined;
    });
    this.#token = this.#checked(await this.#asking);
    this.#accepted = false;
    return this.#token;
  }

  #checked(token: string): string {
    const whose = userOf(token);
    if (whose !== undefined && whose !== this.userId) throw anotherUser(whose, this.userId);
    return token;
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

/** A server, or a token, has another user than the application says. */
export function anotherUser(whose: string, userId: string): TertuliaError {
  return new TertuliaError(`the token is of ${whose}, not of ${userId}`, Code.FailedPrecondition, "TOKEN_INVALID");
}

/** Whose a token is (`sub` of a JWT); undefined where it does not say, which is for the server to judge. */
function userOf(token: string): string | undefined {
  try {
    const claims = base64Decode(token.split(".")[1] ?? "");
    const { sub } = JSON.parse(new TextDecoder().decode(claims));
    return typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined;
  }
}

function inTime(token: Promise<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new TertuliaError("no token came in time", Code.DeadlineExceeded, ""));
    const timer = setTimeout(late, ASK_MS);
    token.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
