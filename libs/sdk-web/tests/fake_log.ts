/** The logs of the fake server: events with seqs, and what they made of messages. Written from the protos' words. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Event,
  EventSchema,
  type MessageState,
  MessageStateSchema,
} from "../src/gen/tertulia/chat/v1/event_pb.js";

type Content = NonNullable<MessageInitShape<typeof EventSchema>["content"]>;

export class FakeLog {
  readonly events: Event[] = [];
  readonly states = new Map<number, MessageState>();
  #count = 0;

  constructor(
    readonly id: Uint8Array<ArrayBuffer>,
    private readonly clock: () => number,
  ) {}

  get head(): number {
    return this.events.length;
  }

  get messageCount(): number {
    return this.#count;
  }

  /** The event under this client id, new or as it was. */
  append(senderUserId: string, clientId: string, content: Content): { event: Event; isNew: boolean } {
    const had = this.events.find((event) => event.senderUserId === senderUserId && event.clientId === clientId);
    if (clientId !== "" && had !== undefined) return { event: had, isNew: false };
    if (content.case === "message") this.#count += 1;
    const event = create(EventSchema, {
      seq: BigInt(this.head + 1),
      timeMs: BigInt(this.clock()),
      messageCount: BigInt(this.#count),
      senderUserId,
      clientId,
      content,
    });
    this.events.push(event);
    this.#change(event);
    return { event, isNew: true };
  }

  /** The message at a seq with its state, as a read from the log has it. */
  message(seq: number): Event | undefined {
    const event = this.events[seq - 1];
    if (event?.content.case !== "message") return undefined;
    const state = this.states.get(seq);
    const content = state?.deleted ? { ...event.content, value: { ...event.content.value, ...BLANK } } : event.content;
    return { ...event, content, state } as Event;
  }

  messages(): Event[] {
    return this.events.map(({ seq }) => this.message(Number(seq))).filter((event) => event !== undefined);
  }

  #change(event: Event): void {
    const { content } = event;
    if (content.case === "message" && content.value.replyToSeq > 0n) {
      const state = this.#state(content.value.replyToSeq, event);
      state.replyCount += 1n;
      state.lastReplySeq = event.seq;
    } else if (content.case === "messageEdited") {
      const state = this.#state(content.value.targetSeq, event);
      state.editSeqs.push(event.seq);
      state.editTimeMs = event.timeMs;
      state.edited = content.value.message;
    } else if (content.case === "messageDeleted") {
      const state = this.#state(content.value.targetSeq, event);
      state.deleted = true;
      state.deletedByUserId = event.senderUserId;
      state.edited = undefined;
      state.reactions = [];
      if (content.value.replyToSeq > 0n) this.#state(content.value.replyToSeq, event).replyCount -= 1n;
    } else if (content.case === "reactionChanged") {
      const { key, removed, targetSeq } = content.value;
      const state = this.#state(targetSeq, event);
      const others = state.reactions.find((reaction) => reaction.key === key)?.userIds ?? [];
      const userIds = removed ? others.filter((id) => id !== event.senderUserId) : [...others, event.senderUserId];
      const reaction = { $typeName: "tertulia.chat.v1.Reaction" as const, key, count: BigInt(userIds.length), userIds };
      const at = state.reactions.findIndex((other) => other.key === key);
      if (at < 0) state.reactions.push(reaction);
      else state.reactions[at] = reaction;
      state.reactions = state.reactions.filter(({ count }) => count > 0n);
    }
  }

  #state(seq: bigint, event: Event): MessageState {
    const had = this.states.get(Number(seq)) ?? create(MessageStateSchema);
    const state = { ...had, editSeqs: [...had.editSeqs], reactions: [...had.reactions], asOfSeq: event.seq };
    this.states.set(Number(seq), state);
    return state;
  }
}

const BLANK = { text: "", mentionedUserIds: [], customType: "", customData: "" };
