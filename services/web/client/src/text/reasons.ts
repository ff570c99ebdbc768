/** What the server's reasons (ErrorReason in the protos) mean to a person, in their language. */

import type { Words } from "./en.ts";
import { t } from "./index.ts";

export const KNOWN: Readonly<Record<string, keyof Words>> = {
  UNAVAILABLE: "whyAway",
  OUTCOME_UNKNOWN: "whyAway",
  DEADLINE_EXCEEDED: "whyAway",
  OVERLOADED: "whyBusy",
  RATE_LIMITED: "whyBusy",
  SLOW_MODE: "whySlow",
  NOT_ALLOWED: "whyNotAllowed",
  NOT_JOINED: "whyNoChannel",
  GUEST_READ_ONLY: "whyNotAllowed",
  BLOCKED: "whyBlocked",
  CHANNEL_NOT_FOUND: "whyNoChannel",
  USER_NOT_FOUND: "whyNoUser",
  MEMBER_NOT_FOUND: "whyNoUser",
  MESSAGE_NOT_FOUND: "whyNoMessage",
  MESSAGE_DELETED: "whyNoMessage",
  LAST_OWNER: "whyLastOwner",
  LIMIT_REACHED: "whyLimit",
  TOKEN_MISSING: "whySignedOut",
  TOKEN_INVALID: "whySignedOut",
  TOKEN_EXPIRED: "whySignedOut",
  TOKEN_REVOKED: "whySignedOut",
};

/** Why something failed. What has no words of ours is told in the server's, which are English. */
export function whyOf({
  reason,
  message,
  transient,
}: {
  reason: string;
  message: string;
  transient?: boolean;
}): string {
  const key = KNOWN[reason] ?? (reason === "" && transient ? "whyAway" : undefined);
  return key === undefined ? message : t(key);
}
