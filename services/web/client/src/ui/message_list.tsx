/** The messages of a conversation, only those in view in the document, however many there are. */

import { type Signal, useComputed } from "@preact/signals";
import { type Conversation, type Message, type MyChannel, unreadCount } from "@tertulia/sdk-web";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { useApp } from "../state.ts";
import { dayOf, t } from "../text/index.ts";
import { Icon } from "./icons.tsx";
import { MessageView, PendingView } from "./message.tsx";
import { type Row, rowsOf } from "./rows.ts";

const NEAR_PX = 900; // from an end of what is loaded: time to load more
const BOTTOM_PX = 60; // so close to the end counts as at the end

export interface ListProps {
  readonly channel: MyChannel;
  readonly conversation: Conversation;
  readonly replyTo: Signal<Message | undefined>;
  readonly editing: Signal<Message | undefined>;
}

export function MessageList({ channel, conversation, replyTo, editing }: ListProps) {
  const { client } = useApp();
  const { timeline, channelId, unreadAfterSeq } = conversation;
  const view = timeline.view.value;
  const pending = useComputed(() => client.outbox.entries.value.filter((entry) => entry.channelId === channelId)).value;
  const shownPending = view.newer ? [] : pending;
  const rows = rowsOf(view.messages, shownPending, unreadAfterSeq, client.me.value);

  const list = useRef<VirtualizerHandle>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const atBottom = useRef(true);
  const previous = useRef<readonly Row[]>([]);
  const wanted = useRef<number | undefined>(undefined); // a seq that a jump goes to
  const [away, setAway] = useState(false);
  const [flash, setFlash] = useState(0);

  const isPrepend = prepended(previous.current, rows);

  const read = useCallback(() => {
    const handle = list.current;
    if (handle === null || document.visibilityState !== "visible" || !document.hasFocus()) return;
    const until = handle.scrollOffset + handle.viewportSize;
    const last = rowsNow.current.findLast(
      (row, index) => row.kind === "message" && handle.getItemOffset(index) + BOTTOM_PX / 2 < until,
    );
    if (last?.kind === "message" && !timeline.view.peek().stale) conversation.markRead(last.message);
  }, [conversation]);

  const rowsNow = useRef(rows);
  rowsNow.current = rows;

  // where the list stands after its rows changed: at a jump's target, at the end, or where it was
  useLayoutEffect(() => {
    const handle = list.current;
    const had = previous.current;
    previous.current = rows;
    if (handle === null || rows.length === 0 || view.loading === "window") return;
    const isNew = had.length === 0 || !rows.some(({ key }) => key === had[0]?.key || key === had.at(-1)?.key);
    if (wanted.current !== undefined || isNew) {
      const unread = rows.findIndex(({ kind }) => kind === "unread");
      const target = wanted.current;
      const at = target === undefined ? unread : rows.findIndex((row) => row.key === String(target));
      wanted.current = undefined;
      if (at >= 0) handle.scrollToIndex(at, { align: target === undefined ? "start" : "center" });
      else handle.scrollToIndex(rows.length - 1, { align: "end" });
      atBottom.current = at < 0;
      if (target !== undefined) setFlash(target);
    } else if (atBottom.current || (rows.at(-1)?.kind === "pending" && had.at(-1)?.key !== rows.at(-1)?.key))
      handle.scrollToIndex(rows.length - 1, { align: "end" });
  }, [rows.length, view]);

  // also where nobody scrolls: who stands at the very top makes no event any more
  const loadMore = useCallback(() => {
    const handle = list.current;
    const { loading, messages, error } = timeline.view.peek();
    if (handle === null || loading !== "nothing" || messages.length === 0 || error !== undefined) return;
    if (handle.scrollOffset < NEAR_PX) void timeline.loadOlder();
    else if (handle.scrollSize - handle.viewportSize - handle.scrollOffset < NEAR_PX) void timeline.loadNewer();
  }, [timeline]);

  useEffect(() => {
    const timer = setTimeout(() => {
      loadMore();
      read();
    }, 50); // after the list has laid itself out
    addEventListener("focus", read);
    document.addEventListener("visibilitychange", read);
    return () => {
      clearTimeout(timer);
      removeEventListener("focus", read);
      document.removeEventListener("visibilitychange", read);
    };
  });

  useEffect(() => {
    if (flash === 0) return;
    const timer = setTimeout(() => setFlash(0), 1_600);
    return () => clearTimeout(timer);
  }, [flash]);

  const onScroll = (offset: number) => {
    const handle = list.current;
    if (handle === null) return;
    const below = handle.scrollSize - handle.viewportSize - offset;
    const { newer } = timeline.view.peek();
    atBottom.current = below < BOTTOM_PX && !newer;
    setAway(below > handle.viewportSize || newer);
    loadMore();
    read();
  };

  const jump = useCallback(
    (seq: number) => {
      wanted.current = seq;
      const at = rowsNow.current.findIndex((row) => row.key === String(seq));
      if (at < 0) void timeline.toSeq(seq);
      else {
        wanted.current = undefined;
        list.current?.scrollToIndex(at, { align: "center" });
        setFlash(seq);
      }
    },
    [timeline],
  );

  const toLatest = () => {
    atBottom.current = true;
    if (view.newer) void timeline.toLatest();
    else list.current?.scrollToIndex(rows.length - 1, { align: "end" });
  };

  const unread = unreadCount(channel);
  const isEmpty = rows.length === 0 && view.loading === "nothing" && view.error === undefined;
  return (
    <div class="messages">
      <div
        ref={scroller}
        class="scroller"
        role="log"
        aria-live="off"
        aria-label={t("writeTo", { name: channel.name })}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        onKeyDown={walk}
      >
        <div class="spring" />
        <Virtualizer ref={list} shift={isPrepend} onScroll={onScroll} scrollRef={scroller} startMargin={0}>
          {rows.map((row) => (
            <RowView
              key={row.key}
              row={row}
              channel={channel}
              conversation={conversation}
              replyTo={replyTo}
              editing={editing}
              flash={flash !== 0 && row.key === String(flash)}
              jump={jump}
            />
          ))}
        </Virtualizer>
      </div>
      {view.loading === "older" && <div class="loading-more" role="status" aria-label={t("connecting")} />}
      {view.loading === "window" && rows.length === 0 && <div class="loading-window" />}
      {view.error !== undefined && rows.length === 0 && (
        <div class="empty">
          <p>{t("loadFailed")}</p>
          <button type="button" class="button" onClick={() => void timeline.toLatest()}>
            {t("retry")}
          </button>
        </div>
      )}
      {isEmpty && (
        <div class="empty">
          <p>{t("noMessages")}</p>
          <p class="quiet">{t("noMessagesHow")}</p>
        </div>
      )}
      {away && (
        <button
          type="button"
          class="to-latest"
          aria-label={t("jumpToLatest")}
          title={t("jumpToLatest")}
          onClick={toLatest}
        >
          {unread > 0 && <span class="badge">{unread > 99 ? "99+" : unread}</span>}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

function RowView(props: ListProps & { row: Row; flash: boolean; jump: (seq: number) => void }) {
  const { row, ...rest } = props;
  switch (row.kind) {
    case "day":
      return (
        <div class="day">
          <span>{dayOf(row.timeMs)}</span>
        </div>
      );
    case "unread":
      return (
        <div class="unread-line">
          <span>{t("newMessages")}</span>
        </div>
      );
    case "message":
      return <MessageView {...rest} message={row.message} first={row.first} last={row.last} />;
    case "pending":
      return <PendingView pending={row.pending} first={row.first} />;
  }
}

/** Whether rows were put before those that were there. */
function prepended(had: readonly Row[], now: readonly Row[]): boolean {
  const first = had.find(({ kind }) => kind === "message")?.key;
  if (first === undefined) return false;
  const before = had.findIndex(({ key }) => key === first);
  return now.findIndex(({ key }) => key === first) > before;
}

/** Arrows go from message to message. */
function walk(event: KeyboardEvent): void {
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  const target = event.target as HTMLElement;
  if (target.closest(".popup")) return;
  const all = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>(".message")];
  const at = all.findIndex((message) => message.contains(target));
  const next = event.key === "ArrowUp" ? all.at(at < 0 ? -1 : at - 1) : all[at + 1];
  if (next === undefined || (event.key === "ArrowUp" && at === 0)) return;
  next.focus();
  event.preventDefault();
}
