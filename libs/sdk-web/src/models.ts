/** What applications see: plain, immutable objects. Seqs and times are numbers, for both are below 2^53. */

import type {
  Member as WireMember,
  MyChannel as WireMyChannel,
  ChannelPermissions as WirePermissions,
} from "./gen/tertulia/chat/v1/channel_pb.js";
import { ChannelKind } from "./gen/tertulia/chat/v1/channel_pb.js";
import type {
  Event,
  Message as WireMessage,
  ChannelPreferences as WirePreferences,
  MessageState as WireState,
} from "./gen/tertulia/chat/v1/event_pb.js";
import { MemberRole } from "./gen/tertulia/chat/v1/role_pb.js";
import type { User as WireUser } from "./gen/tertulia/chat/v1/user_pb.js";

export { ChannelKind, MemberRole };

/** What somebody says. */
export interface Content {
  readonly text: string;
  /** The seq of the message that this one answers; 0: none. */
  readonly replyToSeq: number;
  readonly mentions: readonly string[];
  readonly customType: string;
  readonly customData: string;
}

/** The people who reacted in one way, in the order in which they did. */
export interface Reaction {
  readonly key: string;
  readonly userIds: readonly string[];
}

/** What later events made of a message; see `apply` in states.ts. */
export interface MessageState {
  readonly asOfSeq: number;
  readonly deleted: boolean;
  readonly deletedBy: string;
  readonly editCount: number;
  /** When it was edited last, in milliseconds since the Unix epoch; 0: never. */
  readonly editTimeMs: number;
  readonly edited: Content | undefined;
  readonly reactions: readonly Reaction[];
  readonly replyCount: number;
  readonly lastReplySeq: number;
}

/** A channel that anybody may join. */
export interface OpenChannel {
  readonly channelId: string;
  readonly name: string;
  readonly memberCount: number;
}

export interface Message {
  /** Its place in the channel, and its id there. */
  readonly seq: number;
  /** Who said it; empty: the application. */
  readonly author: string;
  /** When it was said, for people: order comes from `seq`. Milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** How many messages the channel holds up to this one. */
  readonly messageCount: number;
  readonly clientId: string;
  /** What was said first. What it says now is `contentOf`. */
  readonly original: Content;
  readonly state: MessageState;
}

export interface Permissions {
  readonly send: boolean;
  readonly react: boolean;
  readonly moderate: boolean;
  readonly manage: boolean;
  readonly own: boolean;
}

export interface Preferences {
  readonly version: number;
  readonly muted: boolean;
  readonly pinned: boolean;
  readonly hidden: boolean;
  readonly hiddenMessageCount: number;
  readonly markedUnread: boolean;
}

/** A channel as the user has it. */
export interface MyChannel {
  readonly channelId: string;
  readonly logId: string;
  readonly kind: ChannelKind;
  readonly name: string;
  readonly coverUrl: string;
  readonly creator: string;
  readonly createTimeMs: number;
  readonly memberCount: number;
  readonly slowModeSeconds: number;
  readonly etag: string;
  /** For direct channels: the other one. */
  readonly peer: string;
  readonly role: MemberRole;
  readonly permissions: Permissions;
  readonly preferences: Preferences;
  readonly headSeq: number;
  readonly headMessageCount: number;
  readonly lastMessage: Message | undefined;
  readonly readSeq: number;
  readonly readMessageCount: number;
  readonly deliveredSeq: number;
  readonly mentionCount: number;
}

export interface Member {
  readonly userId: string;
  readonly role: MemberRole;
  readonly readSeq: number;
  readonly deliveredSeq: number;
}

export interface User {
  readonly userId: string;
  /** Empty: show the id. */
  readonly name: string;
  readonly avatarUrl: string;
}

export const NOTHING_HAPPENED: MessageState = {
  asOfSeq: 0,
  deleted: false,
  deletedBy: "",
  editCount: 0,
  editTimeMs: 0,
  edited: undefined,
  reactions: [],
  replyCount: 0,
  lastReplySeq: 0,
};

const NO_PREFERENCES: Preferences = {
  version: 0,
  muted: false,
  pinned: false,
  hidden: false,
  hiddenMessageCount: 0,
  markedUnread: false,
};

/** What a message says now: its newest edit, or what it said first. Nothing, once it was deleted. */
export function contentOf(message: Message): Content {
  if (message.state.deleted) return NO_CONTENT;
  const { edited } = message.state;
  return edited === undefined ? message.original : { ...edited, replyToSeq: message.original.replyToSeq };
}

/** Messages that were said since the user read last. */
export function unreadCount(channel: MyChannel): number {
  return Math.max(0, channel.headMessageCount - channel.readMessageCount);
}

/** Whether a channel belongs into the list: a hidden one comes back with the next message. */
export function isListed({ preferences, headMessageCount }: MyChannel): boolean {
  return !preferences.hidden || headMessageCount > preferences.hiddenMessageCount;
}

const NO_CONTENT: Content = { text: "", replyToSeq: 0, mentions: [], customType: "", customData: "" };

export function contentFrom(wire: WireMessage | undefined): Content {
  if (wire === undefined) return NO_CONTENT;
  return {
    text: wire.text,
    replyToSeq: Number(wire.replyToSeq),
    mentions: wire.mentionedUserIds,
    customType: wire.customType,
    customData: wire.customData,
  };
}

function stateFrom(wire: WireState | undefined): MessageState {
  if (wire === undefined) return NOTHING_HAPPENED;
  return {
    asOfSeq: Number(wire.asOfSeq),
    deleted: wire.deleted,
    deletedBy: wire.deletedByUserId,
    editCount: wire.editSeqs.length,
    editTimeMs: Number(wire.editTimeMs),
    edited: wire.edited && contentFrom(wire.edited),
    reactions: wire.reactions.map(({ key, userIds }) => ({ key, userIds })),
    replyCount: Number(wire.replyCount),
    lastReplySeq: Number(wire.lastReplySeq),
  };
}

/** The message of an event, if it is one. */
export function messageFrom(event: Event): Message | undefined {
  if (event.content.case !== "message") return undefined;
  return {
    seq: Number(event.seq),
    author: event.senderUserId,
    timeMs: Number(event.content.value.originalTimeMs) || Number(event.timeMs),
    messageCount: Number(event.messageCount),
    clientId: event.clientId,
    original: contentFrom(event.content.value),
    state: stateFrom(event.state),
  };
}

export function preferencesFrom(wire: WirePreferences | undefined): Preferences {
  if (wire === undefined) return NO_PREFERENCES;
  const { muted, pinned, hidden, markedUnread } = wire;
  const hiddenMessageCount = Number(wire.hiddenMessageCount);
  return { version: Number(wire.version), muted, pinned, hidden, hiddenMessageCount, markedUnread };
}

function permissionsFrom(wire: WirePermissions | undefined): Permissions {
  const { send = false, react = false, moderate = false, manage = false, own = false } = wire ?? {};
  return { send, react, moderate, manage, own };
}

export function channelFrom(wire: WireMyChannel): MyChannel {
  const channel = wire.channel;
  if (channel === undefined) throw new TypeError("a MyChannel without its channel");
  return {
    channelId: channel.channelId,
    logId: logKey(channel.logId),
    kind: channel.kind,
    name: channel.name,
    coverUrl: channel.coverUrl,
    creator: channel.creatorUserId,
    createTimeMs: Number(channel.createTimeMs),
    memberCount: Number(channel.memberCount),
    slowModeSeconds: channel.slowModeSeconds,
    etag: channel.etag,
    peer: wire.peerUserId,
    role: wire.role,
    permissions: permissionsFrom(wire.permissions),
    preferences: preferencesFrom(wire.preferences),
    headSeq: Number(wire.headSeq),
    headMessageCount: Number(wire.headMessageCount),
    lastMessage: wire.lastMessage && messageFrom(wire.lastMessage),
    readSeq: Number(wire.readSeq),
    readMessageCount: Number(wire.readMessageCount),
    deliveredSeq: Math.max(Number(wire.deliveredSeq), Number(wire.readSeq)),
    mentionCount: Number(wire.mentionCount ?? 0n),
  };
}

export function memberFrom(wire: WireMember): Member {
  return {
    userId: wire.userId,
    role: wire.role,
    readSeq: Number(wire.readSeq),
    deliveredSeq: Math.max(Number(wire.deliveredSeq), Number(wire.readSeq)),
  };
}

export function userFrom({ userId, name, avatarUrl }: WireUser): User {
  return { userId, name, avatarUrl };
}

/** A log's id as a key of maps. */
export function logKey(logId: Uint8Array): string {
  return Array.from(logId, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The id that `logKey` was made of. */
export function logIdOf(key: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(key.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
