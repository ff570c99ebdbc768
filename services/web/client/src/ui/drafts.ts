/** What was begun and not sent, a text a channel; lost with the tab, kept over a reload where the browser keeps anything. */

import { type Signal, signal } from "@preact/signals";
import { keep, kept, keptInTab } from "../keep.ts";

const PREFIX = "tertulia.draft.";
const drafts = new Map<string, Signal<string>>();

export function draftOf(channelId: string): Signal<string> {
  let draft = drafts.get(channelId);
  if (draft === undefined) {
    draft = signal(kept("sessionStorage", PREFIX + channelId) ?? "");
    drafts.set(channelId, draft);
  }
  return draft;
}

export function keepDraft(channelId: string, text: string): void {
  draftOf(channelId).value = text;
  keep("sessionStorage", PREFIX + channelId, text);
}

/** Whether anything was begun, in whichever channel. */
export function hasDrafts(): boolean {
  return keptInTab(PREFIX).length > 0;
}
