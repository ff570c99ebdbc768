/**
 * Who the person is. A log-in link holds user and token in its fragment, which browsers do not send; it is taken out of the
 * address at once and kept for this tab only. Inside a widget the page around it hands the token over.
 */

import type { TokenProvider } from "@tertulia/sdk-web";

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
/** The widget's frame: the page around it speaks by messages. */
export const EMBEDDED = new URLSearchParams(location.search).has("embedded");

export async function loadConfig(): Promise<Config> {
  const answer = await fetch("/config.json")
    .then((response) => (response.ok ? response.json() : {}))
    .catch(() => ({}));
  const { imageHosts, development } = answer as Partial<Config>;
  return { imageHosts: imageHosts ?? [], development: development ?? false };
}

/** Undefined: nobody said who it is. */
export async function login(config: Config): Promise<Login | undefined> {
  if (EMBEDDED) return embedded();
  takeFragment();
  const userId = sessionStorage.getItem(USER);
  const token = sessionStorage.getItem(TOKEN);
  if (userId === null || token === null) return undefined;
  return { userId, token: renewing(token, config.development ? () => developmentToken(userId) : undefined) };
}

export function logout(): void {
  sessionStorage.removeItem(USER);
  sessionStorage.removeItem(TOKEN);
}

function takeFragment(): void {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const user = fragment.get("user");
  const token = fragment.get("token");
  if (user === null || token === null) return;
  sessionStorage.setItem(USER, user);
  sessionStorage.setItem(TOKEN, token);
  history.replaceState(history.state, "", location.pathname + location.search);
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
    sessionStorage.setItem(TOKEN, fresh);
    return fresh;
  };
}

/** What the application's back end does in earnest. */
async function developmentToken(userId: string): Promise<string> {
  const response = await fetch("/development/token", { method: "POST", body: JSON.stringify({ userId }) });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return ((await response.json()) as { token: string }).token;
}

/** The page around the frame answers each request for a token, and says who the person is. */
async function embedded(): Promise<Login> {
  const ask = () =>
    new Promise<{ userId: string; token: string }>((resolve) => {
      const listen = ({ data, source }: MessageEvent) => {
        if (source !== parent || data?.type !== "tertulia.token") return;
        removeEventListener("message", listen);
        resolve(data);
      };
      addEventListener("message", listen);
      parent.postMessage({ type: "tertulia.ask" }, "*"); // says nothing but that somebody asks
    });
  const { userId, token } = await ask();
  return { userId, token: renewing(token, async () => (await ask()).token) };
}
