/**
 * A long list of which the document has the rows around what is in view, and nothing in place of the others.
 *
 * Rows come at one end and go at the other as one scrolls. What is in view stays where it is on the screen meanwhile: the browser
 * sees to that (`overflow-anchor`), and where it does not, at the very top and in Safari, `keep` does. So no height is ever guessed.
 */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Row } from "./rows.ts";

const FIRST_ROWS = 40; // more than a screen has
const STEP_ROWS = 10; // come at a time: more than a quick hand scrolls in a frame, and made in less than one
const NEAR_PX = 1_000; // of rows out of view: time for more. What a quick hand scrolls in three frames
const FAR_PX = 2_000; // of them: some go
const KEPT_PX = 1_500; // and so many stay
const BOTTOM_PX = 60; // who scrolls down so close to the end is at the end
const SAME_PX = 2; // screens have fractions of pixels
const ABOVE_PX = 80; // of what was read before the first unread message

/** Where to go: the end, or a message: the first unread one, or one that was asked for. */
export type Goal = "end" | { readonly seq: number; readonly align: "start" | "center" };

/** The seqs of the rows that are in the document. */
interface Range {
  readonly fromSeq: number;
  readonly toSeq: number;
}

export interface Scrolling {
  readonly box: { current: HTMLDivElement | null };
  readonly content: { current: HTMLDivElement | null };
  readonly shown: readonly Row[];
  /** Rows that are loaded and not in the document, before and after it. */
  readonly before: number;
  readonly after: number;
  readonly go: (goal: Goal) => void;
  readonly onScroll: () => void;
}

/** `hasEnd`: the last row is the last that there is; what comes is shown to who stands there. */
export function useScrolling(rows: readonly Row[], hasEnd: boolean): Scrolling {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const range = useRef<Range>({ fromSeq: 0, toSeq: 0 });
  const goal = useRef<Goal | undefined>(undefined);
  const isAtEnd = useRef(true);
  const lastTop = useRef(0);
  const unsettled = useRef<Place | undefined>(undefined);
  const [, again] = useState({});

  if (rows.length > 0) {
    const isLost = within(rows, range.current).length === 0; // the first rows, or others than before
    if (isLost) goal.current ??= opening(rows);
    const aim = goal.current && around(rows, goal.current, hasEnd);
    if (aim === undefined) goal.current = undefined;
    range.current = aim ?? (isLost ? nearest(rows, range.current, hasEnd) : range.current);
  }
  const shown = within(rows, range.current);
  const before = shown[0] === undefined ? 0 : rows.indexOf(shown[0]);
  // before this render changes the document, or the first of several: rows may have to come before the place is there to scroll to
  const place = unsettled.current ?? placeIn(box.current);

  const settle = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    if (isAtEnd.current) element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  }, []);

  /** Whether there is to be another range. */
  const adjust = () => {
    const element = box.current;
    if (element === null || shown.length === 0) return false;
    const next = fitted(element, rows, range.current, hasEnd);
    if (next.fromSeq === range.current.fromSeq && next.toSeq === range.current.toSeq) return false;
    range.current = next;
    again({});
    return true;
  };

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const aim = goal.current;
    goal.current = undefined;
    if (aim === undefined) keep(element, place);
    else isAtEnd.current = aim === "end";
    if (aim !== undefined && aim !== "end") show(element, aim);
    settle();
    unsettled.current = adjust() && aim === undefined ? place : undefined;
  });

  useEffect(() => {
    const observer = new ResizeObserver(settle);
    for (const { current } of [box, content]) if (current !== null) observer.observe(current);
    return () => observer.disconnect();
  }, []);

  const go = useCallback((to: Goal) => {
    goal.current = to;
    again({});
  }, []);

  const onScroll = () => {
    const element = box.current;
    if (element === null) return;
    const below = belowIn(element);
    const isUp = element.scrollTop < lastTop.current;
    lastTop.current = element.scrollTop;
    if (hasEnd && below < (isUp ? SAME_PX : BOTTOM_PX)) isAtEnd.current = true;
    else if (isUp) isAtEnd.current = false;
    adjust();
  };

  return { box, content, shown, before, after: rows.length - before - shown.length, go, onScroll };
}

export function belowIn({ scrollHeight, clientHeight, scrollTop }: Element): number {
  return scrollHeight - clientHeight - scrollTop;
}

/** The messages in the document, in order. */
export function messagesIn(box: Element): readonly HTMLElement[] {
  return [...box.querySelectorAll<HTMLElement>(".message[data-seq]")];
}

function within(rows: readonly Row[], { fromSeq, toSeq }: Range): readonly Row[] {
  return rows.filter(({ seq }) => seq >= fromSeq && seq <= toSeq);
}

function opening(rows: readonly Row[]): Goal {
  const unread = rows.find(({ kind }) => kind === "unread");
  return unread === undefined ? "end" : { seq: unread.seq, align: "start" };
}

/** The rows around a goal. Undefined: it is not among those that are loaded. */
function around(rows: readonly Row[], goal: Goal, hasEnd: boolean): Range | undefined {
  const at = goal === "end" ? rows.length - 1 : rows.findIndex(({ seq }) => seq === goal.seq);
  if (at < 0 || (goal === "end" && !hasEnd)) return undefined;
  return span(rows, at - (goal === "end" ? FIRST_ROWS : FIRST_ROWS / 2), at + FIRST_ROWS / 2, hasEnd);
}

function nearest(rows: readonly Row[], { fromSeq }: Range, hasEnd: boolean): Range {
  const at = rows.findLastIndex(({ seq }) => seq <= fromSeq);
  return span(rows, at - FIRST_ROWS / 2, at + FIRST_ROWS / 2, hasEnd);
}

function span(rows: readonly Row[], from: number, to: number, hasEnd: boolean): Range {
  const last = rows.at(-1)?.seq ?? 0;
  return {
    fromSeq: rows[Math.max(0, from)]?.seq ?? 0,
    toSeq: rows[to]?.seq ?? (hasEnd ? Number.POSITIVE_INFINITY : last),
  };
}

/** The range with more rows at an end that comes near, and less at one that is far. */
function fitted(box: Element, rows: readonly Row[], range: Range, hasEnd: boolean): Range {
  const from = rows.findIndex(({ seq }) => seq >= range.fromSeq);
  const to = rows.findLastIndex(({ seq }) => seq <= range.toSeq);
  const wider = span(rows, from - STEP_ROWS, to + STEP_ROWS, hasEnd);
  const [above, below] = [box.scrollTop, belowIn(box)];
  let { fromSeq, toSeq } = range;
  if (above < NEAR_PX) fromSeq = wider.fromSeq;
  else if (above > FAR_PX) fromSeq = seqAt(box, -KEPT_PX) ?? fromSeq;
  if (below < NEAR_PX) toSeq = wider.toSeq;
  else if (below > FAR_PX) toSeq = seqAt(box, box.clientHeight + KEPT_PX) ?? toSeq;
  return { fromSeq, toSeq };
}

/** Of the first message that reaches below a line so many px under the top of what is in view. */
function seqAt(box: Element, px: number): number | undefined {
  const line = box.getBoundingClientRect().top + px;
  const found = messagesIn(box).find((message) => message.getBoundingClientRect().bottom > line);
  return found && Number(found.dataset["seq"]);
}

/** The first message in view, and where on the screen it ends: above, it may grow or shrink. */
interface Place {
  readonly message: Element;
  readonly bottom: number;
}

function placeIn(box: Element | null): Place | undefined {
  const top = box?.getBoundingClientRect().top ?? 0;
  for (const message of box === null ? [] : messagesIn(box)) {
    const { bottom } = message.getBoundingClientRect();
    if (bottom > top) return { message, bottom };
  }
  return undefined;
}

function keep(box: Element, place: Place | undefined): void {
  if (!place?.message.isConnected) return;
  const moved = place.message.getBoundingClientRect().bottom - place.bottom;
  if (Math.abs(moved) >= 1) box.scrollTop += moved; // for nothing it would only end a smooth scrolling
}

function show(box: Element, { seq, align }: Exclude<Goal, "end">): void {
  const rect = box.querySelector(`[data-seq="${seq}"]`)?.getBoundingClientRect();
  if (rect === undefined) return;
  const above = align === "start" ? ABOVE_PX : (box.clientHeight - rect.height) / 2;
  box.scrollTop += rect.top - box.getBoundingClientRect().top - above;
}
