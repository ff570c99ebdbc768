/** Where one writes: a new message, a reply, or the new words of an old one. */

import { type Signal, useSignal } from "@preact/signals";
import { type Conversation, contentOf, type Message, type MyChannel } from "@tertulia/sdk-web";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { attempt, useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { draftOf, keepDraft } from "./drafts.ts";
import { EmojiPicker } from "./emoji_picker.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { type Mentioning, MentionList, mentionedIn, mentioningAt } from "./mentions.tsx";
import { nameOf, titleOf } from "./names.ts";

const MAX_CHARACTERS = 10_000; // Message.text
const MAX_HEIGHT_PX = 180;

interface Props {
  readonly channel: MyChannel;
  readonly conversation: Conversation;
  readonly replyTo: Signal<Message | undefined>;
  readonly editing: Signal<Message | undefined>;
}

export function Composer({ channel, conversation, replyTo, editing }: Props) {
  const { client } = useApp();
  const form = useRef<HTMLFormElement>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const draft = draftOf(channel.channelId);
  const text = useSignal(draft.peek());
  const mentioning = useSignal<Mentioning | undefined>(undefined);
  const edited = editing.value;
  const quoted = replyTo.value;

  const write = (words: string) => {
    text.value = words;
    if (edited === undefined) keepDraft(channel.channelId, words);
  };

  useEffect(() => {
    text.value = edited === undefined ? draft.peek() : contentOf(edited).text;
    if (edited !== undefined || quoted !== undefined) box.current?.focus();
  }, [edited, quoted]);

  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) box.current?.focus(); // on a phone the keyboard would cover the messages
  }, [channel.channelId]);

  useLayoutEffect(() => {
    const area = box.current;
    if (area === null) return;
    area.style.setProperty("height", "auto");
    area.style.setProperty("height", `${Math.min(area.scrollHeight, MAX_HEIGHT_PX)}px`);
  }, [text.value]);

  const submit = async () => {
    const words = text.value.trim();
    if (words === "") return;
    mentioning.value = undefined;
    const people = new Map(
      [...conversation.members.list.peek().keys()].map((userId) => [userId, nameOf(client, userId)]),
    );
    const mentions = mentionedIn(words, people);
    if (edited !== undefined) {
      if (
        words === contentOf(edited).text ||
        (await attempt(() => conversation.edit(edited, { text: words, mentions })))
      )
        editing.value = undefined;
      return;
    }
    write("");
    replyTo.value = undefined;
    const sent = await attempt(() => conversation.send({ text: words, mentions, replyToSeq: quoted?.seq ?? 0 }));
    if (!sent) write(words);
  };

  const leave = () => {
    editing.value = undefined;
    replyTo.value = undefined;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return; // Enter chooses a character there
    const offered = form.current?.querySelectorAll<HTMLElement>(".mention-list button") ?? [];
    if (event.key === "Enter" && !event.shiftKey) void submit();
    else if (event.key === "Escape" && offered.length > 0) mentioning.value = undefined;
    else if (event.key === "Escape" && (edited ?? quoted)) leave();
    else if (event.key === "ArrowUp" && offered.length > 0) offered[offered.length - 1]?.focus();
    else if (event.key === "ArrowUp" && text.value === "" && edited === undefined)
      editing.value = lastOf(conversation, client.me.peek());
    else return;
    event.preventDefault();
  };

  const insert = (words: string, from = box.current?.selectionStart ?? text.value.length) => {
    const to = box.current?.selectionEnd ?? from;
    write(text.value.slice(0, from) + words + text.value.slice(to));
    requestAnimationFrame(() => {
      box.current?.focus();
      box.current?.setSelectionRange(from + words.length, from + words.length);
    });
  };

  if (client.blocks.all.value.has(channel.peer)) return <Blocked userId={channel.peer} />;
  if (!channel.permissions.send) return <p class="read-only">{t("cannotWrite")}</p>;
  const name = t("writeTo", { name: titleOf(client, channel) });
  const does = edited ? t("save") : t("send");
  return (
    <form
      ref={form}
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {edited !== undefined && <Above icon="pencil" title={t("editing")} message={edited} onCancel={leave} />}
      {edited === undefined && quoted !== undefined && (
        <Above
          icon="reply"
          title={t("replyingTo", { name: nameOf(client, quoted.author) })}
          message={quoted}
          onCancel={leave}
        />
      )}
      <MentionList
        conversation={conversation}
        mentioning={mentioning}
        onPick={(picked, from) => {
          insert(`@${picked} `, from);
          mentioning.value = undefined;
        }}
        onLeave={() => {
          mentioning.value = undefined;
          box.current?.focus();
        }}
      />
      <div class="composer-line">
        <EmojiPicker label={t("emoji")} onPick={insert} />
        <textarea
          ref={box}
          rows={1}
          dir="auto"
          maxLength={MAX_CHARACTERS}
          aria-label={name}
          placeholder={name}
          value={text.value}
          onInput={(event) => {
            const { value, selectionStart } = event.currentTarget;
            write(value);
            mentioning.value = mentioningAt(value, selectionStart);
            conversation.typing(value !== "");
          }}
          onBlur={() => conversation.typing(false)}
          onKeyDown={onKeyDown}
        />
        <button type="submit" class="send" aria-label={does} title={does} disabled={text.value.trim() === ""}>
          <Icon name={edited ? "check" : "send"} />
        </button>
      </div>
      {channel.slowModeSeconds > 0 && !channel.permissions.moderate && (
        <p class="hint">{t("slowMode", { n: channel.slowModeSeconds })}</p>
      )}
    </form>
  );
}

/** What is edited or answered, and a way out of it. */
function Above(props: { icon: IconName; title: string; message: Message; onCancel: () => void }) {
  return (
    <div class="above">
      <Icon name={props.icon} size={18} />
      <span class="above-text">
        <strong>{props.title}</strong>
        <bdi>{contentOf(props.message).text}</bdi>
      </span>
      <button type="button" class="icon-button" aria-label={t("cancel")} onClick={props.onCancel}>
        <Icon name="close" size={18} />
      </button>
    </div>
  );
}

function Blocked({ userId }: { userId: string }) {
  const { client } = useApp();
  return (
    <p class="read-only">
      {t("blocked", { name: nameOf(client, userId) })}{" "}
      <button type="button" class="button small" onClick={() => void attempt(() => client.blocks.unblock(userId))}>
        {t("unblock")}
      </button>
    </p>
  );
}

/** What somebody said last, of what is loaded. */
function lastOf({ timeline }: Conversation, userId: string): Message | undefined {
  return timeline.view.peek().messages.findLast(({ author, state }) => author === userId && !state.deleted);
}
