/** Notifications of the browser, for those who asked for them: while the page is not looked at. */

import { signal } from "@preact/signals";
import { contentOf, type TertuliaClient } from "@tertulia/sdk-web";
import { keep, kept } from "./keep.ts";
import { EMBEDDED } from "./login.ts";
import { select, selected } from "./state.ts";
import { nameOf, titleOf } from "./ui/names.ts";

const KEPT = "tertulia.notify";

/** A widget's frame may not ask; the page around it is somebody else's. */
export const canNotify = !EMBEDDED && "Notification" in globalThis;
export const notifying = signal(canNotify && isAllowed() && kept("localStorage", KEPT) === "yes");

function isAllowed(): boolean {
  try {
    return Notification.permission === "granted";
  } catch {
    return false; // a browser that lets the page keep nothing may not even say
  }
}

export async function notify(wanted: boolean): Promise<void> {
  notifying.value = wanted && (await Notification.requestPermission()) === "granted";
  keep("localStorage", KEPT, notifying.value ? "yes" : "no");
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
    show(title, text || customType, channel.channelId);
  });
}

function show(title: string, body: string, channelId: string): void {
  try {
    const shown = new Notification(title, { body, tag: channelId, icon: "/icon.svg" });
    shown.onclick = () => {
      focus();
      select(channelId);
      shown.close();
    };
  } catch {
    notifying.value = false; // Chrome on Android has the class, and no way to make one from a page
  }
}
