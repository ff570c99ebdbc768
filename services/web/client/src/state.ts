/** What the application as a whole shows: which channel, which dialog, which messages to the person. */

import { computed, signal } from "@preact/signals";
import { errorFrom, type TertuliaClient } from "@tertulia/sdk-web";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { addressOf, channelIn } from "./address.ts";
import { keep, kept } from "./keep.ts";
import type { Config } from "./login.ts";
import { t } from "./text/index.ts";
import { whyOf } from "./text/reasons.ts";

export interface App {
  readonly client: TertuliaClient;
  readonly config: Config;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error("outside of the application");
  return app;
}

// --- which channel ------------------------------------------------------------------------------------------------

const address = signal(location.hash);
addEventListener("hashchange", () => {
  address.value = location.hash;
});

export const selected = computed(() => channelIn(address.value));

export function select(channelId: string): void {
  location.hash = addressOf(channelId);
  address.value = location.hash;
}

// --- dialogs and short words -------------------------------------------------------------------------------------

export type Dialog = { readonly kind: "new-chat" } | { readonly kind: "add-members"; readonly channelId: string };

export const dialog = signal<Dialog | undefined>(undefined);
export const details = signal(false);

/** Something that the person is asked: to say yes, or, where there is a `value`, for other words in its place. */
export interface Question {
  readonly words: string;
  readonly yes: string;
  readonly danger?: boolean;
  readonly value?: string;
  readonly answer: (said: string | undefined) => void;
}

export const question = signal<Question | undefined>(undefined);

/** Whether the person is sure. */
export async function sure(words: string, yes: string): Promise<boolean> {
  return (await ask({ words, yes, danger: true })) !== undefined;
}

/** Other words in place of `value`; undefined: the person thought better of it. */
export function ask(asked: Omit<Question, "answer">): Promise<string | undefined> {
  return new Promise((answer) => {
    question.value = { ...asked, answer };
  });
}

export const toast = signal("");
const TOAST_MS = 4_000;
let toastTimer = 0;

export function tell(words: string): void {
  toast.value = words;
  clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => {
    toast.value = "";
  }, TOAST_MS);
}

/** Do something that the person asked for; if it fails, say so. Answers whether it worked. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (thrown) {
    tell(t("failed", { reason: whyOf(errorFrom(thrown)) }));
    return false;
  }
}

// --- appearance -----------------------------------------------------------------------------------------------------

export type Theme = "system" | "light" | "dark";
const KEPT_THEME = "tertulia.theme";
export const theme = signal<Theme>((kept("localStorage", KEPT_THEME) as Theme | undefined) ?? "system");

export function wear(chosen: Theme): void {
  theme.value = chosen;
  keep("localStorage", KEPT_THEME, chosen);
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
}
