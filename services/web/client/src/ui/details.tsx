/** Who is in a channel, and what may be done with them. */

import {
  ChannelKind,
  type Conversation,
  type Member,
  MemberRole,
  type MyChannel,
  type TertuliaClient,
} from "@tertulia/sdk-web";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { VList } from "virtua";
import { attempt, details, dialog, useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { AvatarWithPresence, ChannelAvatar } from "./avatar.tsx";
import { Icon } from "./icons.tsx";
import { LoadFailed } from "./load_failed.tsx";
import { Menu, type MenuItem } from "./menu.tsx";
import { nameOf, titleOf } from "./names.ts";

const KINDS = {
  [ChannelKind.UNSPECIFIED]: "group",
  [ChannelKind.DIRECT]: "direct",
  [ChannelKind.GROUP]: "group",
  [ChannelKind.OPEN]: "open",
  [ChannelKind.BROADCAST]: "broadcast",
} as const;

const RANK: Readonly<Record<number, number>> = { [MemberRole.OWNER]: 0, [MemberRole.OPERATOR]: 1 };

export function Details({ channel, conversation }: { channel: MyChannel; conversation: Conversation }) {
  const { client } = useApp();
  const panel = useRef<HTMLElement>(null);
  const members = [...conversation.members.list.value.values()].sort(
    (a, b) =>
      (RANK[a.role] ?? 2) - (RANK[b.role] ?? 2) || nameOf(client, a.userId).localeCompare(nameOf(client, b.userId)),
  );
  const ids = members.map(({ userId }) => userId).join("\n");
  const load = () => void conversation.members.load().catch(() => {}); // `error` tells
  useEffect(() => {
    if (members.length === 0) load();
  }, [conversation]);
  useEffect(() => client.people.look(ids.split("\n").filter(Boolean)), [ids]);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    return () => {
      if (panel.current?.contains(document.activeElement)) before?.focus();
    };
  }, []);
  return (
    <aside ref={panel} class="details" aria-label={t("details")}>
      <header class="details-head">
        <h2>{t("details")}</h2>
        <button type="button" class="icon-button" aria-label={t("close")} onClick={() => (details.value = false)}>
          <Icon name="close" />
        </button>
      </header>
      <div class="details-face">
        <ChannelAvatar channel={channel} size={88} />
        <h3>
          <bdi>{titleOf(client, channel)}</bdi>
        </h3>
        <p class="quiet">{t(KINDS[channel.kind])}</p>
      </div>
      <div class="details-line">
        <h3>{t("memberCount", { n: channel.memberCount })}</h3>
        {channel.permissions.manage && channel.kind !== ChannelKind.DIRECT && (
          <button
            type="button"
            class="button small"
            onClick={() => (dialog.value = { kind: "add-members", channelId: channel.channelId })}
          >
            {t("add")}
          </button>
        )}
      </div>
      {members.length === 0 && conversation.members.error.value !== undefined && <LoadFailed retry={load} />}
      <VList class="members" role="list">
        {members.map((member) => (
          <MemberRow key={member.userId} member={member} channel={channel} />
        ))}
      </VList>
    </aside>
  );
}

function MemberRow({ member, channel }: { member: Member; channel: MyChannel }) {
  const { client } = useApp();
  const items = itemsOf(member, channel, client);
  const name = nameOf(client, member.userId);
  return (
    <div class="person" role="listitem">
      <AvatarWithPresence userId={member.userId} size={36} />
      <bdi class="person-name">{member.userId === client.me.value ? `${name} (${t("you")})` : name}</bdi>
      {member.role === MemberRole.OWNER && <span class="role">{t("owner")}</span>}
      {member.role === MemberRole.OPERATOR && <span class="role">{t("operator")}</span>}
      {items.length > 0 && (
        <Menu label={`${t("more")}: ${name}`} items={items}>
          <Icon name="more" size={18} />
        </Menu>
      )}
    </div>
  );
}

function itemsOf({ userId, role }: Member, channel: MyChannel, client: TertuliaClient): MenuItem[] {
  const { channelId, kind, permissions } = channel;
  if (kind === ChannelKind.DIRECT || userId === client.me.value) return [];
  const items: MenuItem[] = [];
  const give = (label: Parameters<typeof t>[0], given: MemberRole) => {
    if (role !== given)
      items.push({
        icon: "people",
        label: t(label),
        act: () => void attempt(() => client.channels.setRole(channelId, userId, given)),
      });
  };
  if (permissions.own) {
    give("makeOwner", MemberRole.OWNER);
    give("makeOperator", MemberRole.OPERATOR);
    give("makeMember", MemberRole.MEMBER);
  }
  if (permissions.own || (permissions.manage && role === MemberRole.MEMBER))
    items.push({
      icon: "trash",
      label: t("remove"),
      danger: true,
      act: () => void attempt(() => client.channels.removeMember(channelId, userId)),
    });
  return items;
}
