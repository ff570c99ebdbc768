import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

/** A server that said no, or none that answered. `reason` is stable (ErrorReason in the protos, without its prefix). */
export class TertuliaError extends Error {
  override readonly name = "TertuliaError";

  constructor(
    message: string,
    readonly code: Code,
    /** Why, for programs: "CHANNEL_NOT_FOUND". Empty when no server said it. */
    readonly reason: string,
    /** Facts that belong to the reason. */
    readonly metadata: Readonly<Record<string, string>> = {},
    /** When to try again, in milliseconds; 0: nothing is known of that. */
    readonly retryAfterMs = 0,
  ) {
    super(message);
  }

  /** The same call may succeed later, and is safe to repeat under its client id. */
  get transient(): boolean {
    if (this.reason === "LIMIT_REACHED") return false; // RESOURCE_EXHAUSTED, too, but waiting changes nothing
    return TRANSIENT.has(this.code);
  }
}

const TRANSIENT: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Internal, // a fault of the server's; the id makes the repetition harmless
  Code.Unknown, // no answer that could be read: the network, or something between
  Code.Aborted,
  Code.Canceled,
]);

/** Whatever was thrown by a call, as what it means. */
export function errorFrom(thrown: unknown): TertuliaError {
  if (thrown instanceof TertuliaError) return thrown;
  const error = ConnectError.from(thrown);
  if (error.cause instanceof TertuliaError) return error.cause; // what is wrong before a call is made comes wrapped
  let reason = "";
  let metadata: Record<string, string> = {};
  let retryAfterMs = 0;
  for (const detail of error.details) {
    if (!("type" in detail)) continue;
    if (detail.type === "google.rpc.ErrorInfo") ({ reason, metadata } = readErrorInfo(detail.value));
    if (detail.type === "google.rpc.RetryInfo") retryAfterMs = readRetryInfo(detail.value);
  }
  return new TertuliaError(error.rawMessage, error.code, reason, metadata, retryAfterMs);
}

// Two messages of google.rpc in a few lines, rather than generated code for all that lies beside them.

/** google.rpc.ErrorInfo: reason = 1, domain = 2, map metadata = 3. */
function readErrorInfo(bytes: Uint8Array): { reason: string; metadata: Record<string, string> } {
  const metadata: Record<string, string> = {};
  let reason = "";
  eachField(bytes, (field, reader) => {
    if (field === 1) reason = reader.string();
    else if (field === 3) {
      const entry = ["", ""];
      eachField(reader.bytes(), (part, inner) => {
        if (part !== 1 && part !== 2) return false;
        entry[part - 1] = inner.string();
        return true;
      });
      metadata[entry[0] ?? ""] = entry[1] ?? "";
    } else return false;
    return true;
  });
  return { reason, metadata };
}

/** google.rpc.RetryInfo: retry_delay = 1, a Duration (seconds = 1, nanos = 2). In milliseconds. */
function readRetryInfo(bytes: Uint8Array): number {
  let ms = 0;
  eachField(bytes, (field, reader) => {
    if (field !== 1) return false;
    eachField(reader.bytes(), (part, inner) => {
      if (part === 1) ms += Number(inner.int64()) * 1000;
      else if (part === 2) ms += inner.int32() / 1e6;
      else return false;
      return true;
    });
    return true;
  });
  return ms;
}

function eachField(bytes: Uint8Array, take: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!take(field, reader)) reader.skip(wireType, field);
  }
}
