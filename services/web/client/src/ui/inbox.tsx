/** The list of channels. */

import { useSignal } from "@preact/signals";
import { contentOf, type MyChannel, type TertuliaClient, unreadCount } from "@tertulia/sdk-web";
import { memo } from "preact/compat";
import { VList } from "virtua";
import { EMBEDDED } from "../login.ts";
import { canNotify, notify, notifying } from "../notifications.ts";
import { ask, attempt, dialog, select, selected, theme, useApp, wear } from "../state.ts";
import { LANGUAGES, type Language, language, shortTimeOf, speak, t } from "../text/index.ts";
import { Avatar, ChannelAvatar } from "./avatar.tsx";
import { draftOf } from "./drafts.ts";
import { Icon } from "./icons.tsx";
import { isEscape } from "./layers.ts";
import { Menu, type MenuItem } from "./menu.tsx";
import { nameOf, titleOf, typingWords } from "./names.ts";

export function Inbox({ onSignOut }: { onSignOut: () => void }) {
  const { client } = useApp();
  const wanted = useSignal("");
  const channels = client.inbox.channels.value;
  const word = wanted.value.trim().toLocaleLowerCase();
  const shown =
    word === "" ? channels : channels.filter((one) => titleOf(client, one).toLocaleLowerCase().includes(word));
  return (
    <nav class="inbox" aria-label={t("chats")}>
      <header class="inbox-head">
        <Avatar userId={client.me.value} size={36} />
        <h1>
          <bdi>{nameOf(client, client.me.value)}</bdi>
        </h1>
        <button
          type="button"
          class="icon-button"
          aria-label={t("newChat")}
          title={t("newChat")}
          onClick={() => {
            dialog.value = { kind: "new-chat" };
          }}
        >
          <Icon name="pencil" />
        </button>
        <Menu label={t("menu")} items={settings(client, onSignOut)}>
          <Icon name="more" />
        </Menu>
      </header>
      <label class="search">
        <Icon name="search" size={18} />
        <input
          type="search"
          placeholder={t("search")}
          aria-label={t("search")}
          value={wanted.value}
          onInput={(event) => {
            wanted.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (!isEscape(event) || wanted.value === "") return;
            wanted.value = "";
            event.preventDefault(); // the conversation stays open
          }}
        />
      </label>
      {shown.length > 0 ? (
        <VList class="channels" role="list">
          {shown.map((channel) => (
            <Row key={channel.channelId} channel={channel} isSelected={channel.channelId === selected.value} />
          ))}
        </VList>
      ) : client.restored.value ? (
        <div class="empty">
          <p>{word === "" ? t("nothingHere") : t("nobodyFound")}</p>
          {word === "" && <p class="quiet">{t("nothingHereHow")}</p>}
        </div>
      ) : (
        <Skeleton />
      )}
    </nav>
  );
}

function settings(client: TertuliaClient, onSignOut: () => void): MenuItem[] {
  const me = client.me.peek();
  const rename = async () => {
    const name = await ask({ words: t("yourName"), yes: t("save"), value: client.people.profile(me).peek().name });
    if (name) await attempt(() => client.setName(name));
  };
  const items: MenuItem[] = [{ icon: "pencil", label: t("yourName"), act: rename }];
  if (canNotify)
    items.push({
      icon: "bell",
      label: t("notify"),
      checked: notifying.value,
      act: () => void attempt(() => notify(!notifying.peek())),
    });
  const themes = (["system", "light", "dark"] as const).map((one) => ({
    icon: "dot" as const,
    label: t(one),
    checked: theme.value === one,
    act: () => wear(one),
  }));
  const languages = (Object.keys(LANGUAGES) as Language[]).map((one) => ({
    icon: "dot" as const,
    label: LANGUAGES[one],
    checked: language.value === one,
    act: () => speak(one),
  }));
  // who is in a widget is said by the page around it
  const signOut = EMBEDDED ? [] : [{ icon: "exit" as const, label: t("signOut"), danger: true, act: onSignOut }];
  return [...items, ...themes, ...languages, ...signOut];
}

const Row = memo(({ channel, isSelected }: { channel: MyChannel; isSelected: boolean }) => {
  const { client } = useApp();
  const unread = unreadCount(channel);
  const { pinned, muted, markedUnread } = channel.preferences;
  const title = titleOf(client, channel);
  const isUnread = unread > 0 || markedUnread;
  return (
    <div role="listitem" class={`row${isSelected ? " selected" : ""}${isUnread ? " unread" : ""}`}>
      <button
        type="button"
        class="row-main"
        aria-current={isSelected ? "true" : undefined}
        onClick={() => select(channel.channelId)}
      >
        <ChannelAvatar channel={channel} />
        <span class="row-text">
          <span class="row-line">
            <bdi class="row-title">{title}</bdi>
            {muted && <Icon name="mute" size={14} />}
            {pinned && <Icon name="pin" size={14} />}
            <time class="row-time">{channel.lastMessage && shortTimeOf(channel.lastMessage.timeMs)}</time>
          </span>
          <span class="row-line">
            <Preview channel={channel} />
            <Badges channel={channel} />
          </span>
        </span>
      </button>
      <Menu
        label={`${t("more")}: ${title}`}
        class="icon-button row-menu"
        items={rowItems(channel, (wish) => attempt(() => client.channels.prefer(channel.channelId, wish)))}
      >
        <Icon name="down" size={18} />
      </Menu>
    </div>
  );
});

/** How much is unread: a number for the eye, words for the ear. */
function Badges({ channel }: { channel: MyChannel }) {
  const unread = unreadCount(channel);
  const { muted, markedUnread } = channel.preferences;
  return (
    <>
      {channel.mentionCount > 0 && (
        <span class="badge mention">
          <span aria-hidden="true">@</span>
          <span class="unseen">{t("mentions", { n: channel.mentionCount })}</span>
        </span>
      )}
      {(unread > 0 || markedUnread) && (
        <span class={muted ? "badge muted" : "badge"}>
          <span aria-hidden="true">{unread > 999 ? "999+" : unread || ""}</span>
          <span class="unseen">{unread > 0 ? t("unread", { n: unread }) : t("markedUnread")}</span>
        </span>
      )}
    </>
  );
}

type Wish = Parameters<TertuliaClient["channels"]["prefer"]>[1];

function rowItems({ preferences }: MyChannel, prefer: (wish: Wish) => void): MenuItem[] {
  const { pinned, muted, markedUnread } = preferences;
  const items: MenuItem[] = [
    { icon: "pin", label: t(pinned ? "unpin" : "pin"), act: () => prefer({ pinned: !pinned }) },
    { icon: "mute", label: t(muted ? "unmute" : "mute"), act: () => prefer({ muted: !muted }) },
    { icon: "eye", label: t("hide"), act: () => prefer({ hidden: true }) },
  ];
  if (!markedUnread) items.push({ icon: "dot", label: t("markUnread"), act: () => prefer({ markedUnread: true }) });
  return items;
}

function Preview({ channel }: { channel: MyChannel }) {
  const { client } = useApp();
  const typists = client.typists.in(channel.channelId).value;
  if (typists.length > 0) return <span class="row-preview typing">{typingWords(client, typists)}…</span>;
  const draft = draftOf(channel.channelId).value;
  if (draft !== "" && channel.channelId !== selected.value)
    return (
      <span class="row-preview">
        <em>{t("draft")}: </em>
        <bdi>{draft}</bdi>
      </span>
    );
  const last = channel.lastMessage;
  if (last === undefined) return <span class="row-preview quiet">{t("noMessages")}</span>;
  if (last.state.deleted) return <span class="row-preview quiet">{t("deleted")}</span>;
  const { text, customType } = contentOf(last);
  const isMine = last.author === client.me.value;
  const who = isMine ? t("you") : channel.peer === "" && last.author !== "" ? nameOf(client, last.author) : "";
  return (
    <span class="row-preview">
      {who !== "" && <bdi>{who}: </bdi>}
      <bdi>{text || customType}</bdi>
    </span>
  );
}

function Skeleton() {
  return (
    <div class="skeleton" aria-hidden="true">
      {Array.from({ length: 6 }, (_, index) => (
        <div class="row" key={index}>
          <span class="bone round" />
          <span class="bone" />
        </div>
      ))}
    </div>
  );
}
