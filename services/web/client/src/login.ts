/**
 * Who the person is. A log-in link holds user and token in its fragment, which browsers do not send; it is taken out of the
 * address at once and kept for this tab only, or for this page where the browser keeps nothing. Inside a widget the page around it
 * hands the token over, and says when it has another user.
 */

import type { TokenProvider } from "@tertulia/sdk-web";
import { forgetTab, keep, kept } from "./keep.ts";

export interface Login {
  readonly userId: string;
  readonly token: TokenProvider;
}

/** What the server tells the client. */
export interface Config {
  /** Hosts from which pictures are shown inside the conversation; "*.cdn.example" is all below it. */
  readonly imageHosts: readonly string[];
  /** A server for development, which gives anybody a token. */
  readonly development: boolean;
}

const USER = "tertulia.user";
const TOKEN = "tertulia.token";
const ASK_MS = 10_000; // for the server, or the page around the frame, to answer
/** The widget's frame: the page around it speaks by messages. */
export const EMBEDDED = new URLSearchParams(location.search).has("embedded");

export async function loadConfig(): Promise<Config> {
  const answer = await fetch("/config.json", { signal: AbortSignal.timeout(ASK_MS) })
    .then((response) => (response.ok ? response.json() : {}))
    .catch(() => ({}));
  const { imageHosts, development } = answer as Partial<Config>;
  return { imageHosts: imageHosts ?? [], development: development ?? false };
}

/** Undefined: nobody said who it is. */
export async function login(config: Config): Promise<Login | undefined> {
  if (EMBEDDED) return embedded();
  const userId = kept("sessionStorage", USER);
  const token = kept("sessionStorage", TOKEN);
  if (userId === undefined || token === undefined) return undefined;
  return { userId, token: renewing(token, config.development ? () => developmentToken(userId) : undefined) };
}

/** Whether this tab is still this person's: another document in it may have signed out, or somebody else in. */
export function isLoggedIn(userId: string): boolean {
  return kept("sessionStorage", USER) === userId;
}

/** Forget the token, and what was begun and not sent. */
export function logout(): void {
  forgetTab();
}

/** Take user and token out of a log-in link. Before anything that may take time: they are to be seen as briefly as can be. */
export function takeLink(): void {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const user = fragment.get("user");
  const token = fragment.get("token");
  if (user === null || token === null) return;
  belongTo(user);
  keep("sessionStorage", TOKEN, token);
  history.replaceState(history.state, "", location.pathname + location.search);
}

/** What is kept for this tab is this person's; drafts of somebody else are forgotten. */
function belongTo(userId: string): void {
  if (kept("sessionStorage", USER) !== userId) forgetTab();
  keep("sessionStorage", USER, userId);
}

/** The token at hand first; when the server would not have it any more, another. */
function renewing(first: string, renew: TokenProvider | undefined): TokenProvider {
  let next: string | undefined = first;
  return async () => {
    const token = next;
    next = undefined;
    if (token !== undefined) return token;
    if (renew === undefined) return first; // refused once more, which ends the session clearly
    const fresh = await renew();
    keep("sessionStorage", TOKEN, fresh);
    return fresh;
  };
}

/** What the application's back end does in earnest. */
async function developmentToken(userId: string): Promise<string> {
  const response = await fetch("/development/token", { method: "POST", body: JSON.stringify({ userId }) });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return ((await response.json()) as { token: string }).token;
}

/** A token, and whose. */
interface Given {
  readonly userId: string;
  readonly token: string;
}

/** The page around the frame says who the person is, and gets a token whenever one is wanted. */
async function embedded(): Promise<Login> {
  for (;;) {
    try {
      const { userId, token } = await askPage();
      belongTo(userId);
      return { userId, token: renewing(token, () => anotherOf(userId)) };
    } catch {
      // it could not get a token so far, or has no user
    }
  }
}

/** Another token of the same person: under that of somebody else, the one's messages would be sent as the other's. */
async function anotherOf(userId: string): Promise<string> {
  const given = await askPage();
  if (given.userId !== userId) throw new Error("the page around the frame has another user");
  return given.token;
}

/** Call when the page around the frame has another user than this, or (`userId` is "") nobody any more. */
export function onAnotherUser(userId: string, then: (userId: string) => void): void {
  if (!EMBEDDED) return;
  addEventListener("message", ({ data, source }: MessageEvent) => {
    if (source === parent && data?.type === "tertulia.user" && data.userId !== userId) then(data.userId);
  });
}

function askPage(): Promise<Given> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("message", listen);
    };
    const listen = ({ data, source }: MessageEvent) => {
      if (source !== parent || data?.type !== "tertulia.token") return;
      end();
      resolve(data);
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error("the page around the frame gave no token"));
    }, ASK_MS);
    addEventListener("message", listen);
    parent.postMessage({ type: "tertulia.ask" }, "*"); // says nothing but that somebody asks
  });
}
