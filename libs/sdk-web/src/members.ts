/** The members of one open channel, and how far each has read. */

import { type ReadonlySignal, signal } from "@preact/signals-core";
import { tryUnderOneId } from "./commands.js";
import { errorFrom, type TertuliaError } from "./errors.js";
import type { Event } from "./gen/tertulia/chat/v1/event_pb.js";
import type { Range } from "./inbox.js";
import { type Member, MemberRole, type Message, memberFrom } from "./models.js";
import type { Rpc } from "./rpc.js";

const PAGE = 200;
/** Positions are pushed, and receipts shown, in channels of at most so many members (the server's default). */
export const MAX_RECEIPT_MEMBERS = 100;
const MAX_MEMBERS = 2_000; // a panel shows no more; search finds the rest

type Position = Pick<Member, "readSeq" | "deliveredSeq">;
type List = ReadonlyMap<string, Member>;

export class Members {
  readonly #list = signal<List>(new Map());
  /** Empty until `load` was answered. */
  readonly list: ReadonlySignal<List> = this.#list;
  readonly #error = signal<TertuliaError | undefined>(undefined);
  /** Why they could not be had, when they were asked for last. */
  readonly error: ReadonlySignal<TertuliaError | undefined> = this.#error;
  #wanted = false;
  #loaded = false;
  #collectors = new Set<Event[]>();
  #heard = new Map<string, Position>(); // of whomever: a position may be told before its member is known

  constructor(
    private readonly rpc: Rpc,
    private readonly channelId: string,
  ) {}

  /** Ask the server. What comes meanwhile may be newer than its pages. Throws `TertuliaError`. */
  async load(): Promise<void> {
    this.#wanted = true;
    const since: Event[] = [];
    this.#collectors.add(since);
    try {
      const found = await this.#all();
      this.#loaded = true;
      this.#error.value = undefined;
      this.#show(since.reduce(changed, found));
    } catch (thrown) {
      this.#error.value = errorFrom(thrown);
      throw this.#error.value;
    } finally {
      this.#collectors.delete(since);
    }
  }

  /** There is a connection again: ask anew, if somebody asked before. Throws `TertuliaError`. */
  async refresh(): Promise<void> {
    if (this.#wanted) await this.load();
  }

  /** A member's position moved; positions never go back. */
  onPosition(userId: string, readSeq: number, deliveredSeq: number): void {
    const position = furthest({ readSeq, deliveredSeq }, this.#heard.get(userId));
    if (this.#heard.has(userId) || this.#heard.size < MAX_MEMBERS) this.#heard.set(userId, position);
    const member = this.#list.value.get(userId);
    if (member !== undefined) this.#list.value = new Map(this.#list.value).set(userId, furthest(member, position));
  }

  onRanges(ranges: readonly Range[]): void {
    const events = ranges
      .flatMap(({ events = [] }) => events)
      .filter(({ content }) => content.case === "membershipChange");
    if (events.length === 0) return;
    for (const collector of this.#collectors) collector.push(...events);
    if (this.#loaded) this.#show(events.reduce(changed, this.#list.value));
  }

  /** With the positions that were heard of since. */
  #show(members: List): void {
    const had = this.#list.value;
    this.#list.value = new Map(
      [...members].map(([userId, member]) => [
        userId,
        furthest(furthest(member, had.get(userId)), this.#heard.get(userId)),
      ]),
    );
  }

  async #all(): Promise<List> {
    const { channelId } = this;
    const found = new Map<string, Member>();
    let pageToken = "";
    do {
      const page = await tryUnderOneId(() => this.rpc.channels.listMembers({ channelId, pageSize: PAGE, pageToken }));
      for (const wire of page.members) found.set(wire.userId, memberFrom(wire));
      pageToken = page.nextPageToken;
    } while (pageToken !== "" && found.size < MAX_MEMBERS);
    return found;
  }
}

/** The members after an event; a change that they have in them already changes nothing. */
function changed(members: List, { content, seq }: Event): List {
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
export function receiptOf({ seq, author }: Message, members: List): Receipt {
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

function furthest<P extends Position>(one: P, other: Position | undefined): P {
  const readSeq = Math.max(one.readSeq, other?.readSeq ?? 0);
  const deliveredSeq = Math.max(one.deliveredSeq, other?.deliveredSeq ?? 0, readSeq);
  return { ...one, readSeq, deliveredSeq };
}
