/** The members of one open channel, and how far each has read. */

import { type ReadonlySignal, signal } from "@preact/signals-core";
import type { Event } from "./gen/tertulia/chat/v1/event_pb.js";
import type { Range } from "./inbox.js";
import { type Member, MemberRole, type Message, memberFrom } from "./models.js";
import type { Rpc } from "./rpc.js";

const PAGE = 200;
/** Positions are pushed, and receipts shown, in channels of at most so many members (the server's default). */
export const MAX_RECEIPT_MEMBERS = 100;
const MAX_MEMBERS = 2_000; // a panel shows no more; search finds the rest

export class Members {
  readonly #list = signal<ReadonlyMap<string, Member>>(new Map());
  /** Empty until `load` was answered. */
  readonly list: ReadonlySignal<ReadonlyMap<string, Member>> = this.#list;
  #wanted = false;
  #loaded = false;
  #collectors = new Set<Event[]>();

  constructor(
    private readonly rpc: Rpc,
    private readonly channelId: string,
  ) {}

  /** Ask the server. Events that come meanwhile may be newer than its pages. Throws what the call throws. */
  async load(): Promise<void> {
    this.#wanted = true;
    const since: Event[] = [];
    this.#collectors.add(since);
    try {
      const found = await this.#all();
      this.#loaded = true;
      this.#list.value = since.reduce(changed, found);
    } finally {
      this.#collectors.delete(since);
    }
  }

  /** There is a connection again: ask anew, if somebody asked before. Throws what the call throws. */
  async refresh(): Promise<void> {
    if (this.#wanted) await this.load();
  }

  /** A member's position moved; positions never go back. */
  onPosition(userId: string, readSeq: number, deliveredSeq: number): void {
    const member = this.#list.value.get(userId);
    if (member === undefined) return;
    this.#set(ahead(member, { ...member, readSeq, deliveredSeq }));
  }

  onRanges(ranges: readonly Range[]): void {
    const events = ranges
      .flatMap(({ events = [] }) => events)
      .filter(({ content }) => content.case === "membershipChange");
    if (events.length === 0) return;
    for (const collector of this.#collectors) collector.push(...events);
    if (this.#loaded) this.#list.value = events.reduce(changed, this.#list.value);
  }

  async #all(): Promise<ReadonlyMap<string, Member>> {
    const found = new Map<string, Member>();
    let pageToken = "";
    do {
      const page = await this.rpc.channels.listMembers({ channelId: this.channelId, pageSize: PAGE, pageToken });
      for (const wire of page.members)
        found.set(wire.userId, ahead(memberFrom(wire), this.#list.value.get(wire.userId)));
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && found.size < MAX_MEMBERS);
    return found;
  }

  #set(member: Member): void {
    this.#list.value = new Map(this.#list.value).set(member.userId, member);
  }
}

/** The members after an event; a change that they have in them already changes nothing. */
function changed(members: ReadonlyMap<string, Member>, { content, seq }: Event): ReadonlyMap<string, Member> {
  if (content.case !== "membershipChange") return members;
  const { addedUserIds, removedUserIds, roleChanges } = content.value;
  const now = new Map(members);
  for (const userId of removedUserIds) now.delete(userId);
  for (const userId of addedUserIds)
    if (!now.has(userId))
      now.set(userId, { userId, role: MemberRole.MEMBER, readSeq: Number(seq), deliveredSeq: Number(seq) });
  for (const { userId, role } of roleChanges) {
    const member = now.get(userId);
    if (member !== undefined) now.set(userId, { ...member, role });
  }
  return now;
}

/** Who has a message: of the others, who have read it, and whom it has reached without being read. */
export interface Receipt {
  readonly readBy: readonly string[];
  readonly deliveredTo: readonly string[];
  /** Everybody has. */
  readonly allRead: boolean;
  readonly allDelivered: boolean;
}

/** The receipt of a message of `author`. */
export function receiptOf({ seq, author }: Message, members: ReadonlyMap<string, Member>): Receipt {
  const others = [...members.values()].filter(({ userId }) => userId !== author);
  const readBy = others.filter(({ readSeq }) => readSeq >= seq).map(({ userId }) => userId);
  const reached = others.filter(({ deliveredSeq }) => deliveredSeq >= seq);
  const deliveredTo = reached.map(({ userId }) => userId).filter((userId) => !readBy.includes(userId));
  const some = others.length > 0;
  return {
    readBy,
    deliveredTo,
    allRead: some && readBy.length === others.length,
    allDelivered: some && reached.length === others.length,
  };
}

function ahead(member: Member, other: Member | undefined): Member {
  const readSeq = Math.max(member.readSeq, other?.readSeq ?? 0);
  const deliveredSeq = Math.max(member.deliveredSeq, other?.deliveredSeq ?? 0, readSeq);
  return { ...member, readSeq, deliveredSeq };
}
