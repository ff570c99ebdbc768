/** What people write, cut into parts: plain text, links, mentions. Nothing in it is ever taken as HTML. */

import { safeUrl } from "./images.ts";

export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly url: string }
  | { readonly kind: "mention"; readonly text: string; readonly userId: string };

const LINK = /\b(?:https?:\/\/|www\.)[^\s<>"'`\u202a-\u202e\u2066-\u2069]+/gi;
const TRAILING = /[.,:;!?…)\]}*_~]+$/; // of the sentence around the link, not of the link

/** `names`: the mentioned people, by the names under which they are shown. */
export function partsOf(text: string, names: ReadonlyMap<string, string>): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = trimmed(match[0]);
    const url = safeUrl(/^www\./i.test(shown) ? `https://${shown}` : shown);
    if (url === undefined) continue;
    parts.push(...mentionsIn(text.slice(from, match.index), names));
    parts.push({ kind: "link", text: shown, url: url.href });
    from = match.index + shown.length;
  }
  parts.push(...mentionsIn(text.slice(from), names));
  return parts;
}

/** A closing bracket belongs to the link if its opening one does. */
function trimmed(link: string): string {
  const cut = link.replace(TRAILING, "");
  const next = link[cut.length];
  return next === ")" && cut.includes("(") && !cut.includes(")") ? `${cut})` : cut;
}

function mentionsIn(text: string, names: ReadonlyMap<string, string>): Part[] {
  if (text === "") return [];
  if (names.size === 0) return [{ kind: "text", text }];
  const parts: Part[] = [];
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const found = text[at] === "@" ? mentionAt(text, at, names) : undefined;
    if (found === undefined) {
      plain += text[at];
      at += 1;
      continue;
    }
    if (plain !== "") parts.push({ kind: "text", text: plain });
    plain = "";
    parts.push(found);
    at += found.text.length;
  }
  if (plain !== "") parts.push({ kind: "text", text: plain });
  return parts;
}

function mentionAt(text: string, at: number, names: ReadonlyMap<string, string>): Part | undefined {
  for (const [userId, name] of names)
    for (const word of [name, userId])
      if (word !== "" && text.startsWith(word, at + 1)) return { kind: "mention", text: `@${word}`, userId };
  return undefined;
}

const EMOJI_ONLY = /^(?:\p{RGI_Emoji}\s*){1,3}$/v;

/** One to three emoji and nothing else: shown large. */
export function isEmojiOnly(text: string): boolean {
  return text.length < 64 && EMOJI_ONLY.test(text);
}
