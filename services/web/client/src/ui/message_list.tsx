/** The messages of a conversation: which are loaded, which are read, and where to go among them. */

import { type Signal, useComputed } from "@preact/signals";
import { type Conversation, type Message, type MyChannel, type TimelineView, unreadCount } from "@tertulia/sdk-web";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useApp } from "../state.ts";
import { dayOf, t } from "../text/index.ts";
import { Icon } from "./icons.tsx";
import { LoadFailed } from "./load_failed.tsx";
import { MessageView, PendingView } from "./message.tsx";
import { titleOf } from "./names.ts";
import { type Row, rowsOf } from "./rows.ts";
import { belowIn, messagesIn, useScrolling } from "./scrolling.ts";

const NEAR_ROWS = 20; // that are loaded and not in the document: time to load more
const SEEN_PX = 30; // of a message in view: it is read
const FLASH_MS = 1_600; // as long as the animation

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
  const me = client.me.value;
  const rows = useMemo(
    () => rowsOf(view.messages, view.newer ? [] : pending, unreadAfterSeq, view.older, me),
    [view.messages, view.newer, view.older, pending, unreadAfterSeq, me],
  );
  const { box, content, shown, before, after, go, onScroll } = useScrolling(rows, !view.newer);
  const [away, setAway] = useState(false);
  const [flash, setFlash] = useState(0);

  const look = () => {
    const element = box.current;
    if (element === null) return;
    setAway(view.newer || belowIn(element) > element.clientHeight);
    if (view.stale || document.visibilityState !== "visible" || !document.hasFocus()) return;
    const line = element.getBoundingClientRect().bottom - SEEN_PX;
    const seen = messagesIn(element).findLast((message) => message.getBoundingClientRect().top < line);
    const message = view.messages.find(({ seq }) => seq === Number(seen?.dataset["seq"]));
    if (message !== undefined) conversation.markRead(message);
  };

  useEffect(() => {
    look();
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  });

  useEffect(() => {
    if (view.loading !== "nothing" || view.error !== undefined) return;
    if (view.older && before < NEAR_ROWS) void timeline.loadOlder();
    else if (view.newer && after < NEAR_ROWS) void timeline.loadNewer();
  }, [view, before < NEAR_ROWS, after < NEAR_ROWS]);

  useEffect(() => {
    if (flash === 0) return;
    const timer = setTimeout(() => setFlash(0), FLASH_MS);
    return () => clearTimeout(timer);
  }, [flash]);

  const aim = useRef(0); // the seq of a message to go to, once it is loaded: what failed may be tried again
  const arrive = useCallback(() => {
    const seq = aim.current;
    if (seq === 0 || !timeline.view.peek().messages.some((message) => message.seq === seq)) return false;
    aim.current = 0;
    go({ seq, align: "center" });
    setFlash(seq);
    return true;
  }, [timeline]);
  const jump = useCallback(
    (seq: number) => {
      aim.current = seq;
      if (!arrive()) void timeline.toSeq(seq);
    },
    [timeline],
  );
  useLayoutEffect(() => {
    arrive();
  }, [view.messages]);

  const toLatest = async () => {
    aim.current = 0; // one goes nowhere else any more
    const { newer, loading, error } = timeline.view.peek();
    // an error may be that of a window elsewhere, which would be tried again
    if (newer || loading === "window" || error !== undefined) await timeline.toLatest();
    go("end");
  };

  // who says something sees it
  const newest = pending.at(-1)?.clientId;
  const wasNewest = useRef(newest);
  useLayoutEffect(() => {
    if (newest !== undefined && newest !== wasNewest.current) void toLatest();
    wasNewest.current = newest;
  }, [newest]);

  return (
    <div class="messages">
      <div
        ref={box}
        class="scroller"
        role="log"
        aria-live="off"
        aria-label={titleOf(client, channel)}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        onKeyDown={walk}
        onScroll={() => {
          onScroll();
          look();
        }}
      >
        <div class="spring" />
        <div ref={content} class="rows">
          {shown.map((row) => (
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
        </div>
      </div>
      <Instead view={view} isEmpty={rows.length === 0} retry={() => timeline.retry()} />
      {away && <ToLatest unread={unreadCount(channel)} go={() => void toLatest()} />}
    </div>
  );
}

/** What is shown where messages are to be, or are not. */
function Instead({ view, isEmpty, retry }: { view: TimelineView; isEmpty: boolean; retry: () => void }) {
  if (view.loading === "older") return <div class="loading-more" role="status" aria-label={t("loading")} />;
  if (view.error !== undefined) return <LoadFailed class={isEmpty ? "empty" : "load-failed"} retry={retry} />;
  if (!isEmpty) return null;
  if (view.loading === "window") return <div class="loading-window" role="status" aria-label={t("loading")} />;
  if (view.loading !== "nothing") return null;
  return (
    <div class="empty">
      <p>{t("noMessages")}</p>
      <p class="quiet">{t("noMessagesHow")}</p>
    </div>
  );
}

function ToLatest({ unread, go }: { unread: number; go: () => void }) {
  return (
    <button type="button" class="to-latest" aria-label={t("jumpToLatest")} title={t("jumpToLatest")} onClick={go}>
      {unread > 0 && <span class="badge">{unread > 99 ? "99+" : unread}</span>}
      <Icon name="down" />
    </button>
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
