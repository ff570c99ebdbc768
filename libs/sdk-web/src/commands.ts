import { errorFrom } from "./errors.js";
import { randomId } from "./outbox.js";

const TRIES = 4; // then the user is told, who sees whether it is worth another try
const PAUSE_MS = 400;

/** Repeat a command under one id while its failures are such that pass. */
export async function tryUnderOneId<T>(command: (clientId: string) => Promise<T>): Promise<T> {
  const clientId = randomId();
  for (let tries = 1; ; tries += 1) {
    try {
      return await command(clientId);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (!error.transient || tries === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.max(PAUSE_MS * tries, error.retryAfterMs)));
    }
  }
}
