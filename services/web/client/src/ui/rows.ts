/** A conversation as rows of a list: days, the line before what is unread, messages with their place in a group. */

import type { Message, Pending } from "@tertulia/sdk-web";
import { dayKey } from "../text/index.ts";

/** `seq`: of the message that a row is, or stands before; what has none so far comes after all others. */
export type Row = { readonly key: string; readonly seq: number } & (
  | { readonly kind: "day"; readonly timeMs: number }
  | { readonly kind: "unread" }
  | { readonly kind: "message"; readonly message: Message; readonly first: boolean; readonly last: boolean }
  | { readonly kind: "pending"; readonly pending: Pending; readonly first: boolean }
);

/** Messages of one author within so much time stand together. */
const GROUP_MS = 5 * 60_000;

export function rowsOf(
  messages: readonly Message[],
  pending: readonly Pending[],
  unreadAfterSeq: number,
  older: boolean,
  me: string,
): Row[] {
  const rows: Row[] = [];
  const isFarther = older && (messages[0]?.seq ?? 0) > unreadAfterSeq; // the first unread message is before these
  let unreadShown = unreadAfterSeq === 0 || isFarther;
  const days = messages.map(({ timeMs }) => dayKey(timeMs));
  messages.forEach((message, index) => {
    const { seq, timeMs } = message;
    const day = days[index];
    const newDay = days[index - 1] !== day;
    if (newDay) rows.push({ kind: "day", key: `day ${day} ${seq}`, seq, timeMs });
    let first = newDay || !together(messages[index - 1], message);
    if (!unreadShown && seq > unreadAfterSeq && message.author !== me) {
      rows.push({ kind: "unread", key: "unread", seq });
      unreadShown = true;
      first = true;
    }
    const last = days[index + 1] !== day || !together(message, messages[index + 1]);
    rows.push({ kind: "message", key: String(seq), seq, message, first, last });
  });
  pending.forEach((entry, index) => {
    const first = index === 0 && messages.at(-1)?.author !== me;
    rows.push({ kind: "pending", key: entry.clientId, seq: Number.POSITIVE_INFINITY, pending: entry, first });
  });
  return rows;
}

/** Of one day. */
function together(a: Message | undefined, b: Message | undefined): boolean {
  return a !== undefined && b !== undefined && a.author === b.author && Math.abs(b.timeMs - a.timeMs) < GROUP_MS;
}
