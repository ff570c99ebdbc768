/** What the user does with channels. Every method throws `TertuliaError`, after some tries where the failure is one that passes. */

import { tryUnderOneId } from "./commands.js";
import type { Inbox } from "./inbox.js";
import { ChannelKind, type MemberRole, type OpenChannel, preferencesFrom } from "./models.js";
import { randomId } from "./outbox.js";
import type { Rpc } from "./rpc.js";

const OPEN_CHANNELS = 100;

export class Channels {
  constructor(
    private readonly rpc: Rpc,
    private readonly inbox: Inbox,
  ) {}

  async createDirect(userId: string): Promise<string> {
    return this.#create({ kind: ChannelKind.DIRECT, memberUserIds: [userId] });
  }

  async createGroup(name: string, memberUserIds: readonly string[]): Promise<string> {
    return this.#create({ kind: ChannelKind.GROUP, name, memberUserIds: [...memberUserIds] });
  }

  /** The first of the channels that anybody may join, in order of their names. */
  async openChannels(): Promise<OpenChannel[]> {
    const { channels } = await tryUnderOneId(() => this.rpc.channels.listOpenChannels({ pageSize: OPEN_CHANNELS }));
    return channels.map(({ channelId, name, memberCount }) => ({ channelId, name, memberCount: Number(memberCount) }));
  }

  async join(channelId: string): Promise<void> {
    await tryUnderOneId(() => this.rpc.channels.joinChannel({ channelId }));
  }

  async addMembers(channelId: string, userIds: readonly string[]): Promise<void> {
    await tryUnderOneId(() => this.rpc.channels.addMembers({ channelId, userIds: [...userIds] }));
  }

  async removeMember(channelId: string, userId: string): Promise<void> {
    await tryUnderOneId(() => this.rpc.channels.removeMembers({ channelId, userIds: [userId] }));
  }

  async setRole(channelId: string, userId: string, role: MemberRole): Promise<void> {
    await tryUnderOneId(() => this.rpc.channels.setMemberRole({ channelId, userId, role }));
  }

  async leave(channelId: string): Promise<void> {
    await tryUnderOneId(() => this.rpc.channels.leaveChannel({ channelId }));
  }

  async rename(channelId: string, name: string): Promise<void> {
    await tryUnderOneId(() =>
      this.rpc.channels.updateChannel({ channelId, fields: { name }, updateMask: { paths: ["name"] } }),
    );
  }

  /** Mute, pin, hide, or mark as unread. What is not named stays as it is. */
  async prefer(
    channelId: string,
    wish: { muted?: boolean; pinned?: boolean; hidden?: boolean; markedUnread?: boolean },
  ): Promise<void> {
    const { preferences } = await tryUnderOneId(() => this.rpc.channels.setChannelPreferences({ channelId, ...wish }));
    this.inbox.entry(channelId)?.prefer(preferencesFrom(preferences));
    this.inbox.changed();
  }

  async #create(wish: { kind: ChannelKind; name?: string; memberUserIds: string[] }): Promise<string> {
    const clientRequestId = randomId();
    const { channel } = await tryUnderOneId(() => this.rpc.channels.createChannel({ ...wish, clientRequestId }));
    return channel?.channelId ?? "";
  }
}
