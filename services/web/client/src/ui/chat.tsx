/** One conversation: who it is with, what was said, where one writes. */

import { useSignal } from "@preact/signals";
import { ChannelKind, type Conversation, type Message, type MyChannel, type TertuliaClient } from "@tertulia/sdk-web";
import { useEffect, useState } from "preact/hooks";
import { ask, attempt, details, dialog, select, sure, useApp } from "../state.ts";
import { shortTimeOf, t } from "../text/index.ts";
import { ChannelAvatar } from "./avatar.tsx";
import { Composer } from "./composer.tsx";
import { Details } from "./details.tsx";
import { Icon } from "./icons.tsx";
import { Menu, type MenuItem } from "./menu.tsx";
import { MessageList } from "./message_list.tsx";
import { titleOf, typingWords } from "./names.ts";

export function Chat({ channel }: { channel: MyChannel }) {
  const { client } = useApp();
  const [conversation, setConversation] = useState<Conversation>();
  const replyTo = useSignal<Message | undefined>(undefined);
  const editing = useSignal<Message | undefined>(undefined);

  useEffect(() => {
    const opened = client.open(channel);
    setConversation(opened);
    return () => opened.close();
  }, [channel.channelId, channel.logId]);

  if (conversation === undefined) return <main class="chat" />;
  return (
    <main class="chat">
      <Head channel={channel} conversation={conversation} />
      <MessageList channel={channel} conversation={conversation} replyTo={replyTo} editing={editing} />
      <Typing channel={channel} />
      <Composer channel={channel} conversation={conversation} replyTo={replyTo} editing={editing} />
      {details.value && <Details channel={channel} conversation={conversation} />}
    </main>
  );
}

function Head({ channel, conversation }: { channel: MyChannel; conversation: Conversation }) {
  const { client } = useApp();
  const title = titleOf(client, channel);
  useEffect(() => {
    if (channel.kind === ChannelKind.DIRECT) client.blocks.load().catch(() => {}); // the menu then offers what it can
  }, [channel.channelId]);
  return (
    <header class="chat-head">
      <button type="button" class="icon-button back" aria-label={t("back")} onClick={() => select("")}>
        <Icon name="back" />
      </button>
      <ChannelAvatar channel={channel} size={40} />
      <div class="chat-title">
        <h2>
          <bdi>{title}</bdi>
        </h2>
        <Subtitle channel={channel} conversation={conversation} />
      </div>
      <button
        type="button"
        class="icon-button"
        aria-label={t("details")}
        title={t("details")}
        aria-expanded={details.value}
        onClick={() => {
          details.value = !details.value;
        }}
      >
        <Icon name="people" />
      </button>
      <Menu label={t("menu")} items={itemsOf(channel, client)}>
        <Icon name="more" />
      </Menu>
    </header>
  );
}

function itemsOf(channel: MyChannel, client: TertuliaClient): MenuItem[] {
  const { channelId, kind } = channel;
  const { muted, pinned } = channel.preferences;
  const prefer = (wish: Parameters<typeof client.channels.prefer>[1]) =>
    void attempt(() => client.channels.prefer(channelId, wish));
  return [
    { icon: "mute", label: t(muted ? "unmute" : "mute"), act: () => prefer({ muted: !muted }) },
    { icon: "pin", label: t(pinned ? "unpin" : "pin"), act: () => prefer({ pinned: !pinned }) },
    ...(kind === ChannelKind.DIRECT ? [blocking(channel, client)] : ofManyPeople(channel, client)),
  ];
}

function blocking(channel: MyChannel, client: TertuliaClient): MenuItem {
  const { peer } = channel;
  if (client.blocks.all.value.has(peer))
    return { icon: "check", label: t("unblock"), act: () => void attempt(() => client.blocks.unblock(peer)) };
  const block = async () => {
    const name = titleOf(client, channel);
    if (await sure(t("blockSure", { name }), t("block"))) await attempt(() => client.blocks.block(peer));
  };
  return { icon: "ban", label: t("block"), danger: true, act: block };
}

function ofManyPeople({ channelId, name, permissions }: MyChannel, client: TertuliaClient): MenuItem[] {
  const addPeople = () => {
    dialog.value = { kind: "add-members", channelId };
  };
  const rename = async () => {
    const wanted = await ask({ words: t("groupName"), yes: t("save"), value: name });
    if (wanted) await attempt(() => client.channels.rename(channelId, wanted));
  };
  const leave = async () => {
    if (!(await sure(t("leaveSure"), t("leave")))) return;
    if (await attempt(() => client.channels.leave(channelId))) select("");
  };
  const items: MenuItem[] = [];
  if (permissions.manage) {
    items.push({ icon: "people", label: t("addPeople"), act: addPeople });
    items.push({ icon: "pencil", label: t("rename"), act: rename });
  }
  return [...items, { icon: "exit", label: t("leave"), danger: true, act: leave }];
}

function Subtitle({ channel, conversation }: { channel: MyChannel; conversation: Conversation }) {
  const { client } = useApp();
  const looked = channel.peer === "" ? [] : [channel.peer];
  useEffect(() => client.people.look(looked), [channel.peer]);
  if (channel.peer !== "") {
    const { online, lastSeenMs } = client.people.presence(channel.peer).value;
    const words = online
      ? t("online")
      : lastSeenMs > 0
        ? t("lastSeen", { time: shortTimeOf(lastSeenMs) })
        : t("offline");
    return <p class={online ? "subtitle here" : "subtitle"}>{words}</p>;
  }
  const here = [...conversation.members.list.value.keys()].filter(
    (id) => client.people.presence(id).value.online,
  ).length;
  const count = t("memberCount", { n: channel.memberCount });
  return <p class="subtitle">{here > 1 ? `${count}, ${here} ${t("online").toLocaleLowerCase()}` : count}</p>;
}

function Typing({ channel }: { channel: MyChannel }) {
  const { client } = useApp();
  const typists = client.typists.in(channel.channelId).value;
  return (
    <div class="typing-line" role="status">
      {typists.length > 0 && (
        <>
          <span class="dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <bdi>{typingWords(client, typists)}</bdi>
        </>
      )}
    </div>
  );
}
