/** A menu that opens from a button: arrows move, Escape closes, the button has the focus again. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons.tsx";
import { useLayer } from "./layers.ts";

export interface MenuItem {
  readonly icon: IconName;
  readonly label: string;
  readonly danger?: boolean;
  readonly checked?: boolean;
  readonly act: () => void;
}

interface Props {
  readonly label: string;
  readonly children: ComponentChildren;
  readonly items: readonly MenuItem[];
  readonly class?: string;
  /** Something above the items: quick reactions. */
  readonly head?: (close: () => void) => ComponentChildren;
  readonly onOpen?: (open: boolean) => void;
}

export function Menu({ label, children, items, head, onOpen, ...rest }: Props) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const change = (open: boolean) => {
    setOpen(open);
    onOpen?.(open);
    if (!open) button.current?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        class={rest.class ?? "icon-button"}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => change(!isOpen)}
      >
        {children}
      </button>
      {isOpen && (
        <Popup id={id} anchor={button} label={label} role="menu" onClose={() => change(false)}>
          {head?.(() => change(false))}
          {items.map(({ icon, label: words, danger, checked, act }) => (
            <button
              key={words}
              type="button"
              role={checked === undefined ? "menuitem" : "menuitemradio"}
              aria-checked={checked}
              class={danger ? "menu-item danger" : "menu-item"}
              onClick={() => {
                change(false);
                act();
              }}
            >
              <Icon name={checked ? "check" : icon} size={18} />
              {words}
            </button>
          ))}
        </Popup>
      )}
    </>
  );
}

interface PopupProps {
  readonly id?: string;
  readonly anchor: { readonly current: HTMLElement | null };
  readonly label: string;
  readonly role: "menu" | "dialog";
  readonly children: ComponentChildren;
  readonly onClose: () => void;
}

const GAP = 6;

/** In the browser's top layer beside its anchor, wherever there is room. */
export function Popup({ id, anchor, label, role, children, onClose }: PopupProps) {
  const box = useRef<HTMLDivElement>(null);
  useLayer(onClose);
  useLayoutEffect(() => {
    const popup = box.current;
    if (popup === null || anchor.current === null) return;
    popup.showPopover();
    const at = anchor.current.getBoundingClientRect();
    const { width, height } = popup.getBoundingClientRect();
    const below = at.bottom + GAP + height < innerHeight;
    const top = below ? at.bottom + GAP : Math.max(GAP, at.top - GAP - height);
    const left = Math.min(Math.max(GAP, at.right - width), innerWidth - width - GAP);
    popup.style.setProperty("top", `${top}px`);
    popup.style.setProperty("left", `${left}px`);
    popup.querySelector<HTMLElement>("button")?.focus();
  }, []);
  useEffect(() => {
    const outside = (event: Event) => {
      const target = event.target as Node;
      if (!box.current?.contains(target) && !anchor.current?.contains(target)) onClose();
    };
    addEventListener("pointerdown", outside, true);
    return () => removeEventListener("pointerdown", outside, true);
  }, []);
  return (
    <div
      ref={box}
      id={id}
      role={role}
      aria-label={label}
      class="popup"
      popover="manual"
      onKeyDown={(event) => {
        if (event.key !== "Tab") return step(event, box.current);
        event.preventDefault();
        event.stopPropagation();
        onClose();
      }}
    >
      {children}
    </div>
  );
}

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** Arrows move between the buttons of a box. */
export function step(event: KeyboardEvent, box: HTMLElement | null): void {
  const by = STEPS[event.key];
  if (by === undefined || box === null) return;
  const buttons = [...box.querySelectorAll<HTMLElement>("button")];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  buttons[(at + by + buttons.length) % buttons.length]?.focus();
  event.preventDefault();
}
