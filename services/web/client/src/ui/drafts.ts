/** What was begun and not sent, a text a channel; lost with the tab, kept over a reload. */

import { type Signal, signal } from "@preact/signals";

const PREFIX = "tertulia.draft.";
const drafts = new Map<string, Signal<string>>();

export function draftOf(channelId: string): Signal<string> {
  let draft = drafts.get(channelId);
  if (draft === undefined) {
    draft = signal(sessionStorage.getItem(PREFIX + channelId) ?? "");
    drafts.set(channelId, draft);
  }
  return draft;
}

export function keepDraft(channelId: string, text: string): void {
  draftOf(channelId).value = text;
  if (text === "") sessionStorage.removeItem(PREFIX + channelId);
  else sessionStorage.setItem(PREFIX + channelId, text);
}
