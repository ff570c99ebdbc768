/** Naming somebody: "@" and the beginning of a name offers the members. */

import type { Signal } from "@preact/signals";
import type { Conversation } from "@tertulia/sdk-web";
import { useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { Avatar } from "./avatar.tsx";
import { step } from "./menu.tsx";
import { nameOf } from "./names.ts";

export interface Mentioning {
  /** Where the "@" is. */
  readonly from: number;
  readonly word: string;
}

const OFFERED = 6;
const AT = /(?:^|\s)@([\p{L}\p{N}._-]{0,32})$/u;

/** What is being named at the cursor, if anything is. */
export function mentioningAt(text: string, cursor: number): Mentioning | undefined {
  const found = AT.exec(text.slice(0, cursor));
  if (found === null) return undefined;
  const word = found[1] ?? "";
  return { from: cursor - word.length - 1, word };
}

/** Whom a text names, of those who are there. */
export function mentionedIn(text: string, people: ReadonlyMap<string, string>): string[] {
  return [...people]
    .filter(([userId, name]) => text.includes(`@${name}`) || text.includes(`@${userId}`))
    .map(([id]) => id);
}

export function MentionList(props: {
  conversation: Conversation;
  mentioning: Signal<Mentioning | undefined>;
  onPick: (name: string, from: number) => void;
  onLeave: () => void;
}) {
  const { client } = useApp();
  const { value: at } = props.mentioning;
  if (at === undefined) return null;
  const word = at.word.toLocaleLowerCase();
  const offered = [...props.conversation.members.list.value.keys()]
    .filter((userId) => userId !== client.me.value)
    .filter((userId) => [nameOf(client, userId), userId].some((name) => name.toLocaleLowerCase().startsWith(word)))
    .slice(0, OFFERED);
  if (offered.length === 0) return null;
  return (
    <ul
      class="mention-list"
      aria-label={t("members")}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return step(event, event.currentTarget);
        event.preventDefault();
        props.onLeave();
      }}
    >
      {offered.map((userId) => (
        <li key={userId}>
          <button type="button" onClick={() => props.onPick(nameOf(client, userId), at.from)}>
            <Avatar userId={userId} size={28} />
            <bdi>{nameOf(client, userId)}</bdi>
          </button>
        </li>
      ))}
    </ul>
  );
}
