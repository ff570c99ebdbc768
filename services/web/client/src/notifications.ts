/** Notifications of the browser, for those who asked for them: while the page is not looked at. */

import { signal } from "@preact/signals";
import { contentOf, type TertuliaClient } from "@tertulia/sdk-web";
import { EMBEDDED } from "./login.ts";
import { select, selected } from "./state.ts";
import { nameOf, titleOf } from "./ui/names.ts";

const KEPT = "tertulia.notify";

/** A widget's frame may not ask; the page around it is somebody else's. */
export const canNotify = !EMBEDDED && "Notification" in globalThis;
export const notifying = signal(
  canNotify && Notification.permission === "granted" && localStorage.getItem(KEPT) === "yes",
);

export async function notify(wanted: boolean): Promise<void> {
  notifying.value = wanted && (await Notification.requestPermission()) === "granted";
  localStorage.setItem(KEPT, notifying.value ? "yes" : "no");
}

/** Tell of what others say. Answers how to stop. */
export function tellOfMessages(client: TertuliaClient): () => void {
  return client.onMessage((channel, message) => {
    const { text, customType, mentions } = contentOf(message);
    const isSeen =
      document.visibilityState === "visible" && document.hasFocus() && selected.peek() === channel.channelId;
    const isWanted = !channel.preferences.muted || mentions.includes(client.me.peek());
    if (!notifying.peek() || isSeen || !isWanted) return;
    const author = nameOf(client, message.author);
    const title = channel.peer === "" ? `${author} – ${titleOf(client, channel)}` : author;
    const shown = new Notification(title, { body: text || customType, tag: channel.channelId, icon: "/icon.svg" });
    shown.onclick = () => {
      focus();
      select(channel.channelId);
      shown.close();
    };
  });
}
