/** Signing out: what it loses is for the person to decide. */

import type { TertuliaClient } from "@tertulia/sdk-web";
import { sure } from "./state.ts";
import { t } from "./text/index.ts";
import { hasDrafts } from "./ui/drafts.ts";

/** Whether the person signs out, told of what was not sent. */
export async function agreesToLose(client: TertuliaClient): Promise<boolean> {
  const unsent = client.outbox.entries.peek().filter(({ seq }) => seq === undefined).length;
  if (unsent > 0) return sure(t("signOutUnsent", { n: unsent }), t("signOut"));
  return !hasDrafts() || sure(t("signOutDrafts"), t("signOut"));
}
