import { ChannelKind, type MyChannel, type TertuliaClient } from "@tertulia/sdk-web";
import { t } from "../text/index.ts";

/** How somebody is called; the application itself says who it is by the channel. */
export function nameOf(client: TertuliaClient, userId: string): string {
  if (userId === "") return t("official");
  return client.people.profile(userId).value.name || userId;
}

export function titleOf(client: TertuliaClient, channel: MyChannel): string {
  if (channel.kind === ChannelKind.DIRECT) return nameOf(client, channel.peer);
  return channel.name || channel.channelId;
}

export function typingWords(client: TertuliaClient, userIds: readonly string[]): string {
  const [first, second] = userIds;
  if (first === undefined) return "";
  if (second === undefined) return t("typingOne", { name: nameOf(client, first) });
  if (userIds.length > 2) return t("typingMany");
  return t("typingTwo", { name: nameOf(client, first), other: nameOf(client, second) });
}
