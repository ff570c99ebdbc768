import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../text/index.ts";
import { Icon } from "./icons.tsx";
import { useLayer } from "./layers.ts";

/** The browser's own dialog: it keeps the focus, Escape closes it, and the focus goes back, however it is closed. */
export function Modal(props: { title: string; children: ComponentChildren; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = useRef(props.onClose);
  close.current = props.onClose;
  useLayer(props.onClose);
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    const closed = () => close.current(); // by the browser: the back button of a phone
    element.addEventListener("close", closed);
    element.showModal();
    return () => {
      element.removeEventListener("close", closed);
      element.close(); // gives the focus back, which removing it would not
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class="modal"
      aria-label={props.title}
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
