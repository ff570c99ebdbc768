import { useRef, useState } from "preact/hooks";
import { t } from "../text/index.ts";
import { emojiOf, GROUPS, QUICK } from "./emoji.ts";
import { Icon } from "./icons.tsx";
import { Popup } from "./menu.tsx";

/** A button that opens a grid of emoji. */
export function EmojiPicker(props: { label: string; class?: string; icon?: "smile"; onPick: (emoji: string) => void }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        class={props.class ?? "icon-button"}
        aria-label={props.label}
        title={props.label}
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="smile" />
      </button>
      {isOpen && (
        <Popup anchor={button} label={t("emoji")} role="dialog" onClose={close}>
          <div class="emoji-grid">
            {[QUICK.join(" "), ...GROUPS].map((group) => (
              <div class="emoji-group" key={group}>
                {emojiOf(group).map((emoji) => (
                  <button
                    type="button"
                    key={emoji}
                    onClick={() => {
                      close();
                      props.onPick(emoji);
                    }}
                  >
                    {emoji}
                  </button>
                ))}
              </div>
            ))}
          </div>
        </Popup>
      )}
    </>
  );
}
