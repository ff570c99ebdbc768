/** How the fake server refuses. */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type Code, ConnectError } from "@connectrpc/connect";

/** An error as the door gives it: a code, and an ErrorInfo with the reason. */
export function refusal(code: Code, reason: string, message = "refused by the fake"): ConnectError {
  const error = new ConnectError(message, code);
  const value = new BinaryWriter().tag(1, 2).string(reason).tag(2, 2).string("tertulia").finish();
  (error.details as unknown[]).push({ type: "google.rpc.ErrorInfo", value });
  return error;
}
