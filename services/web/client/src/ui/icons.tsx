/** Line icons of 24 × 24; they say nothing to screen readers, the buttons around them do. */

const PATHS = {
  back: "M15 18l-6-6 6-6",
  pencil: "M4 20h4L19 9l-4-4L4 16v4zM13.500 6.500l4 4",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
  send: "M4 12l16-8-6 16-3-6.500L4 12z",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.500 14.500s1.200 2 3.500 2 3.500-2 3.500-2M9 9.500h.01M15 9.500h.01",
  reply: "M9 15l-5-5 5-5M4 10h9a7 7 0 0 1 7 7v2",
  more: "M4.500 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M17.500 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  copy: "M9 9h10v11H9zM5 15V4h10",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5M12 8h.01",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
  pin: "M9 4h6l-1 6 3 3H7l3-3-1-6zM12 13v7",
  mute: "M6 9a6 6 0 0 1 9-5.200M18 10v4l2 3H7M4 4l16 16M10 20h4",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4l2-2zM10 21h4",
  eye: "M4 12s3-6 8-6 8 6 8 6-3 6-8 6-8-6-8-6zM4 4l16 16",
  dot: "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  people:
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 20a6 6 0 0 1 12 0M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500a6 6 0 0 1 3 5.500",
  check: "M5 13l4 4L19 7",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2",
  exit: "M14 8V5H5v14h9v-3M10 12h11M18 9l3 3-3 3",
  ban: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM6 6l12 12",
  megaphone: "M4 10v4l11 5V5L4 10zM18 9a4 4 0 0 1 0 6M7 15v4h3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** One tick: sent. Two: delivered; in colour: read. */
export function Ticks({ count }: { count: 1 | 2 }) {
  return (
    <svg class="icon ticks" viewBox="0 0 20 12" width={17} height={11} aria-hidden="true">
      <path d={count === 1 ? "M5 6.500l3.500 3.500L16 2.500" : "M1.500 6.500L5 10l7-7.500M9 9l1 1 7.500-7.500"} />
    </svg>
  );
}
