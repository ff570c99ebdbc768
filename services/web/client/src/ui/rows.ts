/** A conversation as rows of a list: days, the line before what is unread, messages with their place in a group. */

import type { Message, Pending } from "@tertulia/sdk-web";
import { dayKey } from "../text/index.ts";

export type Row =
  | { readonly kind: "day"; readonly key: string; readonly timeMs: number }
  | { readonly kind: "unread"; readonly key: string }
  | {
      readonly kind: "message";
      readonly key: string;
      readonly message: Message;
      readonly first: boolean;
      readonly last: boolean;
    }
  | { readonly kind: "pending"; readonly key: string; readonly pending: Pending; readonly first: boolean };

/** Messages of one author within so much time stand together. */
const GROUP_MS = 5 * 60_000;

export function rowsOf(
  messages: readonly Message[],
  pending: readonly Pending[],
  unreadAfterSeq: number,
  me: string,
): Row[] {
  const rows: Row[] = [];
  let unreadShown = unreadAfterSeq === 0;
  messages.forEach((message, index) => {
    const before = messages[index - 1];
    const after = messages[index + 1];
    const newDay = before === undefined || dayKey(before.timeMs) !== dayKey(message.timeMs);
    if (newDay) rows.push({ kind: "day", key: `day ${dayKey(message.timeMs)} ${message.seq}`, timeMs: message.timeMs });
    let first = newDay || !together(before, message);
    if (!unreadShown && message.seq > unreadAfterSeq && message.author !== me) {
      rows.push({ kind: "unread", key: "unread" });
      unreadShown = true;
      first = true;
    }
    const last = after === undefined || !together(message, after);
    rows.push({ kind: "message", key: String(message.seq), message, first, last });
  });
  pending.forEach((entry, index) => {
    const first = index === 0 && messages.at(-1)?.author !== me;
    rows.push({ kind: "pending", key: entry.clientId, pending: entry, first });
  });
  return rows;
}

function together(a: Message | undefined, b: Message): boolean {
  return (
    a !== undefined &&
    a.author === b.author &&
    Math.abs(b.timeMs - a.timeMs) < GROUP_MS &&
    dayKey(a.timeMs) === dayKey(b.timeMs)
  );
}
