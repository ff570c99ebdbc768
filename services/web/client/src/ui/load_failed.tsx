import { t } from "../text/index.ts";

/** In place of what could not be had, and a way to ask for it again. */
export function LoadFailed(props: { class?: string; retry: () => void }) {
  return (
    <div class={props.class ?? "empty"} role="status">
      <p>{t("loadFailed")}</p>
      <button type="button" class="button" onClick={props.retry}>
        {t("retry")}
      </button>
    </div>
  );
}
