/**
 * The messages of one open channel: a window without holes, wherever the user has scrolled to, kept current by events.
 *
 * A page says what messages are like at some moment; events go on from there. Those that come while a page is on its way are
 * kept, and applied to it when it is there; what the page has in it already changes nothing (`apply` asks `asOfSeq`).
 */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { type ReadonlySignal, signal } from "@preact/signals-core";
import { errorFrom, TertuliaError } from "./errors.js";
import type { Event } from "./gen/tertulia/chat/v1/event_pb.js";
import type { ListMessagesRequestSchema, ListMessagesResponse } from "./gen/tertulia/chat/v1/message_pb.js";
import { type Position, PositionSchema } from "./gen/tertulia/chat/v1/session_pb.js";
import type { Range } from "./inbox.js";
import { logIdOf, type Message, messageFrom } from "./models.js";
import type { Rpc } from "./rpc.js";
import { apply, targets } from "./states.js";

const PAGE = 60; // more than a tall screen shows
const FILL_PAGE = 1_000;
const MAX_FILL = 2_000; // a longer hole is not filled: the window is fetched anew
const MAX_MESSAGES = 1_000; // what is farther from the eye is dropped, and fetched again when it is wanted
const MAX_EMPTY_PAGES = 1_000; // that the server ended before it found a message, each a thousand events further

type Anchor = MessageInitShape<typeof ListMessagesRequestSchema>["anchor"];

export interface TimelineView {
  /** In order of seq; every message between the first and the last is there. */
  readonly messages: readonly Message[];
  /** Whether there are more before, or after, those. */
  readonly older: boolean;
  readonly newer: boolean;
  readonly loading: "nothing" | "window" | "older" | "newer";
  /** From an earlier visit: shown until the server has answered. */
  readonly stale: boolean;
  readonly error: TertuliaError | undefined;
}

const NOTHING: TimelineView = {
  messages: [],
  older: true,
  newer: false,
  loading: "nothing",
  stale: false,
  error: undefined,
};

export class Timeline {
  readonly #view = signal<TimelineView>({ ...NOTHING, loading: "window" });
  readonly view: ReadonlySignal<TimelineView> = this.#view;
  /** Every event up to here is in the window's messages. Undefined until the first page is there. */
  #position: number | undefined;
  #wanted = 0;
  #filling = false;
  #collectors = new Set<Event[]>();
  #generation = 0; // of the window: answers that belong to an earlier one are dropped
  #missed: { readonly anchor: Anchor | undefined } | undefined; // the window that was asked for and could not be had
  #closed = false;

  constructor(
    private readonly rpc: Rpc,
    readonly channelId: string,
    private readonly logId: string,
  ) {}

  /** Where the window stands, for hello. */
  position(): Position[] {
    if (this.#position === undefined) return [];
    return [create(PositionSchema, { logId: logIdOf(this.logId), seq: BigInt(this.#position) })];
  }

  /** Show what was shown last time, until the server answers. */
  restore(messages: readonly Message[]): void {
    if (this.#position === undefined) this.#view.value = { ...this.#view.value, messages, stale: true };
  }

  /** Show the newest messages. */
  async toLatest(): Promise<void> {
    await this.#openAt(undefined);
  }

  /** Show the messages around a seq. */
  async toSeq(seq: number): Promise<void> {
    await this.#openAt({ case: "aroundSeq", value: BigInt(Math.max(1, seq)) });
  }

  async loadOlder(): Promise<void> {
    const { messages, older, loading } = this.#view.value;
    const first = messages[0];
    if (older && loading === "nothing" && first !== undefined && this.#stands()) await this.#loadOlder(first.seq);
  }

  async loadNewer(): Promise<void> {
    const { messages, newer, loading } = this.#view.value;
    const last = messages.at(-1);
    if (newer && loading === "nothing" && last !== undefined && this.#stands()) await this.#loadNewer(last.seq);
  }

  /** Whether there is a window to add to: what an earlier visit kept is none. Whoever adds to it no longer wants another. */
  #stands(): boolean {
    if (this.#position === undefined) return false;
    this.#missed = undefined;
    return true;
  }

  /** Ranges of the channel's log, in order. */
  onRanges(ranges: readonly Range[]): void {
    for (const { events } of ranges) for (const collector of this.#collectors) collector.push(...(events ?? []));
    if (this.#position === undefined) return;
    for (const { fromSeq, toSeq, events } of ranges) {
      if (toSeq <= this.#position) continue;
      this.#wanted = Math.max(this.#wanted, toSeq);
      if (events === undefined || fromSeq > this.#position + 1) continue; // a hole: `#fill` sees it
      this.#take(events, toSeq);
    }
    void this.#fill();
  }

  /** There is a connection, and the log reaches this far: what did not come by now will not come by itself. */
  onHead(seq: number): void {
    this.#wanted = Math.max(this.#wanted, seq);
    this.retry();
  }

  /** What could not be loaded may be loaded now: the window by itself, more before or after it when it is asked for. */
  retry(): void {
    if (this.#view.value.error !== undefined) {
      if (this.#missed !== undefined) return void this.#openAt(this.#missed.anchor);
      this.#view.value = { ...this.#view.value, error: undefined };
    }
    void this.#fill();
  }

  /** Nobody looks any more: ask for nothing else. */
  close(): void {
    this.#closed = true;
    this.#generation += 1;
  }

  /** The newest messages that are known, to be kept for the next visit. */
  newest(count: number): readonly Message[] {
    const { messages, newer } = this.#view.value;
    return newer ? [] : messages.slice(-count);
  }

  // --- pages --------------------------------------------------------------------------------------------------------

  async #openAt(anchor: Anchor | undefined): Promise<void> {
    this.#generation += 1;
    this.#missed = { anchor };
    await this.#load("window", anchor, (page, since) => {
      this.#missed = undefined;
      this.#position = Math.max(Number(page.headSeq), ...since.map(({ seq }) => Number(seq)));
      this.#wanted = Math.max(this.#wanted, this.#position);
      const newer = page.newerPageToken !== "";
      const messages = settle(messagesOf(page), since, !newer);
      return { ...NOTHING, messages, older: page.olderPageToken !== "", newer };
    });
  }

  async #loadOlder(beforeSeq: number): Promise<void> {
    await this.#load("older", { case: "beforeSeq", value: BigInt(beforeSeq) }, (page, since) => {
      const { messages: had, newer } = this.#view.value;
      const joined = [...settle(messagesOf(page), since, false), ...had];
      const messages = joined.slice(0, MAX_MESSAGES);
      const dropped = messages.length < joined.length;
      return { ...NOTHING, messages, older: page.olderPageToken !== "", newer: newer || dropped };
    });
  }

  async #loadNewer(afterSeq: number): Promise<void> {
    await this.#load("newer", { case: "afterSeq", value: BigInt(afterSeq) }, (page, since) => {
      const { messages: had, older } = this.#view.value;
      const newer = page.newerPageToken !== "";
      const joined = [...had, ...settle(messagesOf(page), since, !newer)];
      const messages = joined.slice(-MAX_MESSAGES);
      return { ...NOTHING, messages, older: older || messages.length < joined.length, newer };
    });
  }

  async #load(
    what: "window" | "older" | "newer",
    anchor: Anchor | undefined,
    join: (page: ListMessagesResponse, since: readonly Event[]) => TimelineView,
  ): Promise<void> {
    const generation = this.#generation;
    const since: Event[] = [];
    this.#collectors.add(since);
    this.#view.value = { ...this.#view.value, loading: what, error: undefined };
    try {
      const page = await this.#page(anchor, what === "newer");
      if (generation === this.#generation) this.#view.value = join(page, since);
    } catch (thrown) {
      if (generation === this.#generation)
        this.#view.value = { ...this.#view.value, loading: "nothing", error: errorFrom(thrown) };
    } finally {
      this.#collectors.delete(since);
    }
    void this.#fill();
  }

  /** A page with at least one message, or the last: the server may end one before it found any. */
  async #page(anchor: Anchor | undefined, forward: boolean): Promise<ListMessagesResponse> {
    const { channelId } = this;
    const generation = this.#generation;
    let page = await this.rpc.messages.listMessages({ channelId, pageSize: PAGE, anchor });
    for (let pages = 1; page.events.length === 0 && generation === this.#generation; pages += 1) {
      const pageToken = forward ? page.newerPageToken : page.olderPageToken;
      if (pageToken === "") break;
      if (pages === MAX_EMPTY_PAGES) throw new TertuliaError("no message in a million events", Code.OutOfRange, "");
      page = await this.rpc.messages.listMessages({ channelId, pageSize: PAGE, pageToken });
    }
    return page;
  }

  // --- events -------------------------------------------------------------------------------------------------------

  #take(events: readonly Event[], toSeq: number): void {
    const position = this.#position ?? 0;
    this.#position = toSeq;
    const view = this.#view.value;
    const newer = view.newer || view.messages.length + events.length > MAX_MESSAGES; // who is at the end has them loaded
    const messages = settle(
      view.messages,
      events.filter(({ seq }) => Number(seq) > position),
      !newer,
    );
    if (messages !== view.messages || newer !== view.newer) this.#view.value = { ...view, messages, newer };
  }

  /** Fetch what did not come. One at a time; what comes meanwhile is fetched, too. */
  async #fill(): Promise<void> {
    if (this.#filling || this.#closed) return;
    this.#filling = true;
    try {
      while (!this.#closed && this.#position !== undefined && this.#position < this.#wanted) {
        if (this.#wanted - this.#position > MAX_FILL) return await this.#again();
        const generation = this.#generation;
        const afterSeq = BigInt(this.#position);
        const { slice } = await this.rpc.messages.listEvents({
          channelId: this.channelId,
          afterSeq,
          pageSize: FILL_PAGE,
        });
        if (generation !== this.#generation) continue; // the window stands elsewhere now
        if (slice === undefined) return;
        if (Number(slice.toSeq) <= this.#position) this.#wanted = this.#position;
        else this.#take(slice.events, Number(slice.toSeq));
      }
    } catch (thrown) {
      this.#view.value = { ...this.#view.value, error: errorFrom(thrown) };
    } finally {
      this.#filling = false;
    }
  }

  /** The window anew, where it is. */
  async #again(): Promise<void> {
    const { messages, newer } = this.#view.value;
    const middle = messages[Math.floor(messages.length / 2)];
    if (newer && middle !== undefined) await this.toSeq(middle.seq);
    else await this.toLatest();
  }
}

function messagesOf(page: ListMessagesResponse): readonly Message[] {
  return page.events.map(messageFrom).filter((message) => message !== undefined);
}

/** Messages brought on by events, with those that the events add if the window reaches the log's end. */
function settle(messages: readonly Message[], events: readonly Event[], append: boolean): readonly Message[] {
  const settled = [...messages];
  let changed = false;
  for (const event of events) {
    for (const seq of targets(event)) {
      const at = place(settled, seq);
      const had = settled[at];
      const now = had && apply(had, event);
      if (now === undefined || now === had) continue;
      settled[at] = now;
      changed = true;
    }
    const said = append ? messageFrom(event) : undefined;
    if (said !== undefined && said.seq > (settled.at(-1)?.seq ?? 0)) {
      settled.push(said);
      changed = true;
    }
  }
  return changed ? settled : messages;
}

/** Where the message with a seq is; −1: not here. */
function place(messages: readonly Message[], seq: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((messages[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return messages[low]?.seq === seq ? low : -1;
}
