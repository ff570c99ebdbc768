/** Channels that anybody may join. */

import { useSignal } from "@preact/signals";
import type { OpenChannel } from "@tertulia/sdk-web";
import { useEffect } from "preact/hooks";
import { attempt, select, useApp } from "../state.ts";
import { t } from "../text/index.ts";
import { OpenChannelAvatar } from "./avatar.tsx";

export function OpenChannels({ onJoined }: { onJoined: () => void }) {
  const { client } = useApp();
  const found = useSignal<readonly OpenChannel[]>([]);
  useEffect(() => {
    void attempt(async () => {
      const all = await client.channels.openChannels();
      found.value = all.filter(({ channelId }) => client.inbox.get(channelId) === undefined);
    });
  }, []);
  const join = async (channelId: string) => {
    if (!(await attempt(() => client.channels.join(channelId)))) return;
    onJoined();
    select(channelId);
  };
  if (found.value.length === 0) return null;
  return (
    <section>
      <h3 class="found-head">{t("openChannels")}</h3>
      <ul class="found">
        {found.value.map((channel) => (
          <li key={channel.channelId}>
            <button type="button" class="person" onClick={() => void join(channel.channelId)}>
              <OpenChannelAvatar channel={channel} size={36} />
              <span class="person-name">
                <bdi>{channel.name || channel.channelId}</bdi>
                <span class="quiet">{t("memberCount", { n: channel.memberCount })}</span>
              </span>
              <span class="button small">{t("join")}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
