/**
 * What later events make of a message, as a pure function: who applies the same events has the same state. The same as
 * `tertulia.states` of the Python SDK, which is the reference.
 */

import type { Event, ReactionChanged } from "./gen/tertulia/chat/v1/event_pb.js";
import { contentFrom, type Message, type MessageState, type Reaction } from "./models.js";

/** The seqs of the messages whose state an event changes: none, one, or two for the deletion of a reply. */
export function targets(event: Event): number[] {
  const { content } = event;
  switch (content.case) {
    case "message":
      return seqs(content.value.replyToSeq);
    case "messageEdited":
    case "reactionChanged":
      return seqs(content.value.targetSeq);
    case "messageDeleted":
      return seqs(content.value.targetSeq, content.value.replyToSeq);
    default:
      return [];
  }
}

/** A message brought on by an event; the same object if that changes nothing. Events come in order of their seqs. */
export function apply(message: Message, event: Event): Message {
  if (Number(event.seq) <= message.state.asOfSeq) return message;
  const changed = next(message.state, message.seq, event);
  if (changed === undefined) return message;
  const state = { ...message.state, ...changed, asOfSeq: Number(event.seq) };
  return { ...message, state, original: state.deleted ? { ...message.original, ...BLANK } : message.original };
}

const BLANK = { text: "", mentions: [], customType: "", customData: "" };

function next(state: MessageState, seq: number, event: Event): Partial<MessageState> | undefined {
  if (!targets(event).includes(seq)) return undefined;
  const { content } = event;
  if (content.case === "message") return { replyCount: state.replyCount + 1, lastReplySeq: Number(event.seq) };
  if (content.case === "messageDeleted" && Number(content.value.targetSeq) !== seq)
    return { replyCount: state.replyCount - 1 };
  if (state.deleted) return undefined; // for ever: nothing comes back
  switch (content.case) {
    case "messageDeleted":
      return { deleted: true, deletedBy: event.senderUserId, edited: undefined, reactions: [] };
    case "messageEdited": {
      const { message } = content.value; // not set: it was deleted later, and that event is to come
      const edited = message === undefined ? state.edited : contentFrom(message);
      return { editCount: state.editCount + 1, editTimeMs: Number(event.timeMs), edited };
    }
    case "reactionChanged":
      return { reactions: react(state.reactions, event.senderUserId, content.value) };
    default:
      return undefined;
  }
}

function react(reactions: readonly Reaction[], userId: string, { key, removed }: ReactionChanged): Reaction[] {
  const had = reactions.find((reaction) => reaction.key === key)?.userIds ?? [];
  if (had.includes(userId) !== removed) return [...reactions];
  const userIds = removed ? had.filter((other) => other !== userId) : [...had, userId];
  if (had.length === 0) return [...reactions, { key, userIds }];
  return reactions
    .map((reaction) => (reaction.key === key ? { key, userIds } : reaction))
    .filter((reaction) => reaction.userIds.length > 0);
}

function seqs(...values: bigint[]): number[] {
  return values.map(Number).filter((seq) => seq !== 0);
}
