export { effect, type ReadonlySignal } from "@preact/signals-core";
export type { Blocks } from "./blocks.js";
export type { Channels } from "./channels.js";
export { connect, type OnMessage, type Options, TertuliaClient } from "./client.js";
export type { Conversation } from "./conversation.js";
export { errorFrom, TertuliaError } from "./errors.js";
export type { Inbox } from "./inbox.js";
export type { Connection } from "./listener.js";
export { MAX_RECEIPT_MEMBERS, type Members, type Receipt, receiptOf } from "./members.js";
export {
  ChannelKind,
  type Content,
  contentOf,
  isListed,
  type Member,
  MemberRole,
  type Message,
  type MessageState,
  type MyChannel,
  type OpenChannel,
  type Permissions,
  type Preferences,
  type Reaction,
  type User,
  unreadCount,
} from "./models.js";
export type { Outbox } from "./outbox.js";
export type { People, Presence } from "./people.js";
export type { Rpc } from "./rpc.js";
export type { Pending } from "./storage.js";
export type { Timeline, TimelineView } from "./timeline.js";
export type { TokenProvider } from "./tokens.js";
