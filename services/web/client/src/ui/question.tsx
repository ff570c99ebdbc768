/** A question in the middle of the page: browsers refuse their own within a widget's frame. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Question, question } from "../state.ts";
import { t } from "../text/index.ts";
import { Modal } from "./modal.tsx";

export function QuestionDialog() {
  const asked = question.value;
  return asked === undefined ? null : <Asking key={asked.words} asked={asked} />;
}

function Asking({ asked }: { asked: Question }) {
  const { words, yes, danger, value } = asked;
  const given = useSignal(value ?? "");
  const first = useRef<HTMLInputElement & HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), []);
  const answer = (said: string | undefined) => {
    question.value = undefined;
    asked.answer(said);
  };
  return (
    <Modal title={words} onClose={() => answer(undefined)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          answer(given.value.trim());
        }}
      >
        {value !== undefined && (
          <div class="field">
            <input
              ref={first}
              aria-label={words}
              value={given.value}
              maxLength={256}
              onInput={(event) => {
                given.value = event.currentTarget.value;
              }}
            />
          </div>
        )}
        <footer class="modal-foot">
          <button type="button" class="button" onClick={() => answer(undefined)}>
            {t("cancel")}
          </button>
          <button
            ref={value === undefined ? first : undefined}
            type="submit"
            class={danger ? "button danger" : "button primary"}
            disabled={value !== undefined && given.value.trim() === ""}
          >
            {yes}
          </button>
        </footer>
      </form>
    </Modal>
  );
}
