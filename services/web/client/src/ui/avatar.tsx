import { ChannelKind, type MyChannel, type OpenChannel } from "@tertulia/sdk-web";
import { useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { Icon } from "./icons.tsx";
import { isShown } from "./images.ts";

/** Hues that are told apart. */
const HUES = [20, 55, 130, 165, 200, 235, 262, 285, 312, 345];

export function Avatar({ userId, size = 40 }: { userId: string; size?: number }) {
  const { client } = useApp();
  const { name, avatarUrl } = client.people.profile(userId).value;
  return <Face label={name || userId} seed={userId} url={avatarUrl} size={size} />;
}

/** With a dot when they are here. */
export function AvatarWithPresence({ userId, size = 40 }: { userId: string; size?: number }) {
  const { client } = useApp();
  const { online } = client.people.presence(userId).value;
  return (
    <span class="avatar-box">
      <Avatar userId={userId} size={size} />
      {online && <span class="presence" role="img" aria-label={t("online")} />}
    </span>
  );
}

export function ChannelAvatar({ channel, size = 48 }: { channel: MyChannel; size?: number }) {
  if (channel.kind === ChannelKind.DIRECT) return <AvatarWithPresence userId={channel.peer} size={size} />;
  const label = channel.name || channel.channelId;
  return <Face label={label} seed={channel.channelId} url={channel.coverUrl} size={size} group={channel.kind} />;
}

export function OpenChannelAvatar({ channel, size }: { channel: OpenChannel; size: number }) {
  const label = channel.name || channel.channelId;
  return <Face label={label} seed={channel.channelId} url="" size={size} group={ChannelKind.OPEN} />;
}

function Face(props: { label: string; seed: string; url: string; size: number; group?: ChannelKind }) {
  const { label, seed, url, size, group } = props;
  const { config } = useApp();
  const shape = group === undefined ? "avatar" : "avatar square";
  const box = { width: `${size}px`, height: `${size}px`, fontSize: `${Math.round(size * 0.38)}px` };
  if (url !== "" && isShown(url, config.imageHosts))
    return <img class={shape} style={box} src={url} alt="" loading="lazy" referrerpolicy="no-referrer" />;
  return (
    <span class={shape} style={{ ...box, "--hue": String(hueOf(seed)) }} aria-hidden="true">
      {group === ChannelKind.BROADCAST ? <Icon name="megaphone" size={Math.round(size * 0.5)} /> : initials(label)}
    </span>
  );
}

/** The first letters of the first two words, as people count letters. */
function initials(label: string): string {
  const words = label
    .replace(/[^\p{L}\p{N}\s]/gu, " ")
    .trim()
    .split(/\s+/);
  return words
    .slice(0, 2)
    .map((word) => [...word][0] ?? "")
    .join("")
    .toUpperCase();
}

/** The colour of somebody, wherever they stand. */
export function hueOf(seed: string): number {
  let hash = 2_166_136_261; // FNV-1a, stirred: its last bits alone would tell few apart
  for (const character of seed) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = (hash ^ (hash >>> 13)) >>> 0;
  return HUES[hash % HUES.length] ?? 0;
}
