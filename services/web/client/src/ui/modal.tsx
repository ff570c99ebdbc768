import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text/index.ts";
import { Icon } from "./icons.tsx";

/** The browser's own dialog: it keeps the focus, Escape closes it, and the focus goes back. */
export function Modal(props: { title: string; children: ComponentChildren; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      class="modal"
      aria-label={props.title}
      onClose={props.onClose}
      onClick={(event) => {
        if (event.target === dialog.current) props.onClose(); // beside it
      }}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <header class="modal-head">
        <h2>{props.title}</h2>
        <button type="button" class="icon-button" aria-label={t("close")} onClick={props.onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div class="modal-body">{props.children}</div>
    </dialog>
  );
}
