/** One message: a bubble, what it answers, what became of it, and what can be done with it. */

import { type Signal, useSignal } from "@preact/signals";
import {
  type Content,
  type Conversation,
  contentOf,
  MAX_RECEIPT_MEMBERS,
  type Message,
  type MyChannel,
  type Pending,
  receiptOf,
} from "@tertulia/sdk-web";
import { memo } from "preact/compat";
import { useEffect, useState } from "preact/hooks";
import { attempt, sure, tell, useApp } from "../state.ts";
import { fullTimeOf, t, timeOf } from "../text/index.ts";
import { whyOf } from "../text/reasons.ts";
import { Avatar, hueOf } from "./avatar.tsx";
import { QUICK } from "./emoji.ts";
import { EmojiPicker } from "./emoji_picker.tsx";
import { Icon, Ticks } from "./icons.tsx";
import { Menu, type MenuItem } from "./menu.tsx";
import { nameOf } from "./names.ts";
import { ReceiptDialog } from "./receipt_dialog.tsx";
import { isEmojiOnly } from "./rich_text.ts";
import { Text } from "./text.tsx";

interface Props {
  readonly channel: MyChannel;
  readonly conversation: Conversation;
  readonly message: Message;
  readonly first: boolean;
  readonly last: boolean;
  readonly flash: boolean;
  readonly replyTo: Signal<Message | undefined>;
  readonly editing: Signal<Message | undefined>;
  readonly jump: (seq: number) => void;
}

export const MessageView = memo((props: Props) => {
  const { channel, conversation, message, first, last, flash } = props;
  const { client } = useApp();
  const isMine = message.author === client.me.value;
  const isGroup = channel.peer === "";
  const name = nameOf(client, message.author);
  const { deleted } = message.state;
  const content = contentOf(message);
  const showsInfo = useSignal(false);
  const touched = useSignal(false); // what can be done is made when somebody comes near: it is half of what scrolling costs
  const touch = () => {
    touched.value = true;
  };
  const classes = ["message", isMine ? "mine" : "theirs", first && "first", last && "last", flash && "flash"];
  return (
    <article
      class={classes.filter(Boolean).join(" ")}
      data-seq={message.seq}
      tabIndex={-1}
      aria-label={t("messageFrom", { name: isMine ? t("you") : name, time: fullTimeOf(message.timeMs) })}
      onPointerEnter={touch}
      onFocusIn={touch}
      onKeyDown={(event) => openMenu(event)}
    >
      {!isMine && isGroup && <span class="message-face">{last && <Avatar userId={message.author} size={32} />}</span>}
      <div class="message-body">
        <div class="bubble-line">
          <div class={!deleted && isEmojiOnly(content.text) && content.replyToSeq === 0 ? "bubble big" : "bubble"}>
            {!isMine && isGroup && first && (
              <bdi class="author" style={{ "--hue": String(hueOf(message.author)) }}>
                {name}
              </bdi>
            )}
            {!deleted && content.replyToSeq !== 0 && (
              <Quote conversation={conversation} seq={content.replyToSeq} jump={props.jump} />
            )}
            {deleted ? <span class="gone">{t("deleted")}</span> : <Text content={content} />}
            <Stamp channel={channel} message={message} conversation={conversation} isMine={isMine} />
          </div>
          {!deleted && touched.value && (
            <Actions {...props} isMine={isMine} showInfo={() => (showsInfo.value = true)} />
          )}
        </div>
        <Reactions channel={channel} conversation={conversation} message={message} />
      </div>
      {showsInfo.value && (
        <ReceiptDialog message={message} conversation={conversation} onClose={() => (showsInfo.value = false)} />
      )}
    </article>
  );
});

function openMenu(event: KeyboardEvent): void {
  const article = event.currentTarget as HTMLElement;
  if (event.target !== article || (event.key !== "Enter" && event.key !== " ")) return;
  article.querySelector<HTMLElement>("[aria-haspopup=menu]")?.click();
  event.preventDefault();
}

type Shown = Pick<Props, "channel" | "conversation" | "message">;

function Stamp({ isMine, ...props }: Shown & { isMine: boolean }) {
  const { message } = props;
  const { editTimeMs, deleted } = message.state;
  return (
    <span class="stamp">
      {editTimeMs > 0 && !deleted && <span>{t("edited")}</span>}
      <time dateTime={new Date(message.timeMs).toISOString()} title={fullTimeOf(message.timeMs)}>
        {timeOf(message.timeMs)}
      </time>
      {isMine && !deleted && <ReceiptMark {...props} />}
    </span>
  );
}

function ReceiptMark({ channel, message, conversation }: Shown) {
  const isTold = channel.memberCount <= MAX_RECEIPT_MEMBERS; // of larger channels, what is known is old
  const { allRead, allDelivered } = receiptOf(message, isTold ? conversation.members.list.value : new Map());
  const state = allRead ? "readByAll" : allDelivered ? "delivered" : "sent";
  return (
    <span class={`receipt ${state}`} role="img" aria-label={t(state)} title={t(state)}>
      <Ticks count={allDelivered ? 2 : 1} />
    </span>
  );
}

/** What a message answers: from the window, or fetched. */
function Quote({ conversation, seq, jump }: { conversation: Conversation; seq: number; jump: (seq: number) => void }) {
  const { client } = useApp();
  const [fetched, setFetched] = useState<Message>();
  const here = conversation.timeline.view.value.messages.find((message) => message.seq === seq);
  useEffect(() => {
    if (here === undefined) void conversation.message(seq).then(setFetched);
  }, [here === undefined, seq]);
  const quoted = here ?? fetched;
  const text = quoted && (quoted.state.deleted ? t("deleted") : contentOf(quoted).text);
  return (
    <button type="button" class="quote" onClick={() => jump(seq)}>
      <bdi class="quote-author">{quoted ? nameOf(client, quoted.author) : "…"}</bdi>
      <bdi class="quote-text">{text ?? "…"}</bdi>
    </button>
  );
}

function Reactions({ channel, conversation, message }: Shown) {
  const { client } = useApp();
  const me = client.me.value;
  const { reactions, replyCount, deleted } = message.state;
  if (reactions.length === 0 && replyCount === 0) return null;
  return (
    <div class="reactions">
      {reactions.map(({ key, userIds }) => {
        const names = userIds.map((userId) => (userId === me ? t("you") : nameOf(client, userId))).join(", ");
        const isMine = userIds.includes(me);
        return (
          <button
            type="button"
            key={key}
            class={isMine ? "reaction mine" : "reaction"}
            aria-pressed={isMine}
            disabled={!channel.permissions.react}
            title={names}
            aria-label={`${key} ${userIds.length}: ${names}`}
            onClick={() => attempt(() => conversation.react(message, key))}
          >
            <span>{key}</span>
            <span class="count">{userIds.length}</span>
          </button>
        );
      })}
      {replyCount > 0 && !deleted && <span class="replies">{t("repliesCount", { n: replyCount })}</span>}
    </div>
  );
}

function Actions(props: Props & { isMine: boolean; showInfo: () => void }) {
  const { channel, conversation, message, replyTo } = props;
  const { permissions } = channel;
  const react = (key: string) => void attempt(() => conversation.react(message, key));
  return (
    <div class="actions">
      {permissions.react && <EmojiPicker label={t("react")} onPick={react} />}
      {permissions.send && (
        <button
          type="button"
          class="icon-button"
          aria-label={t("reply")}
          title={t("reply")}
          onClick={() => {
            replyTo.value = message;
          }}
        >
          <Icon name="reply" />
        </button>
      )}
      <Menu
        label={t("more")}
        items={itemsOf(props)}
        head={(close) =>
          permissions.react && (
            <div class="quick" role="group" aria-label={t("react")}>
              {QUICK.map((emoji) => (
                <button
                  key={emoji}
                  type="button"
                  role="menuitem"
                  aria-label={t("reactWith", { emoji })}
                  onClick={() => {
                    close();
                    react(emoji);
                  }}
                >
                  {emoji}
                </button>
              ))}
            </div>
          )
        }
      >
        <Icon name="more" />
      </Menu>
    </div>
  );
}

function itemsOf({
  channel,
  conversation,
  message,
  isMine,
  replyTo,
  editing,
  showInfo,
}: Parameters<typeof Actions>[0]) {
  const items: MenuItem[] = [];
  if (channel.permissions.send) items.push({ icon: "reply", label: t("reply"), act: () => (replyTo.value = message) });
  items.push({ icon: "copy", label: t("copy"), act: () => void copy(contentOf(message).text) });
  if (isMine && channel.memberCount <= MAX_RECEIPT_MEMBERS)
    items.push({ icon: "info", label: t("info"), act: showInfo });
  if (isMine && channel.permissions.send)
    items.push({ icon: "pencil", label: t("edit"), act: () => (editing.value = message) });
  if (isMine || channel.permissions.moderate)
    items.push({
      icon: "trash",
      label: t("delete"),
      danger: true,
      act: async () => {
        if (await sure(t("deleteSure"), t("delete"))) await attempt(() => conversation.delete(message));
      },
    });
  return items;
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    tell(t("copied"));
  } catch {
    tell(t("copyFailed")); // clipboards need a secure context, and the person's consent
  }
}

/** A message on its way, or one that the server would not have. */
export const PendingView = memo(({ pending, first }: { pending: Pending; first: boolean }) => {
  const { client } = useApp();
  const { text, replyToSeq, mentions, refusal } = pending;
  const content: Content = { text, replyToSeq, mentions, customType: "", customData: "" };
  return (
    <article
      class={`message mine last${first ? " first" : ""}${refusal ? " refused" : ""}`}
      aria-label={t(refusal ? "notSent" : "sending")}
    >
      <div class="message-body">
        <div class="bubble-line">
          <div class="bubble">
            <Text content={content} />
            <span class="stamp">
              <time>{timeOf(pending.createTimeMs)}</time>
              {pending.seq === undefined ? <Icon name="clock" size={13} /> : <Ticks count={1} />}
            </span>
          </div>
        </div>
        {refusal && (
          <div class="refusal" role="alert">
            <span>
              {t("notSent")}: <bdi>{whyOf(refusal)}</bdi>
            </span>
            <button type="button" onClick={() => void client.outbox.retry(pending)}>
              {t("retry")}
            </button>
            <button type="button" onClick={() => void attempt(() => client.outbox.drop(pending))}>
              {t("discard")}
            </button>
          </div>
        )}
      </div>
    </article>
  );
});
