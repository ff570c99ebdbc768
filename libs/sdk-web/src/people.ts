/** Who the people are and who is here: asked for when somebody looks, and kept. */

import { type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { errorFrom } from "./errors.js";
import type { Presence as WirePresence } from "./gen/tertulia/chat/v1/session_pb.js";
import { type User, userFrom } from "./models.js";
import type { Rpc } from "./rpc.js";

const AT_ONCE = 4; // profiles are asked for one by one, so many at a time
const MAX_WATCHED = 1_000; // ListenRequest.watch_user_ids
const MAX_KEPT = 1_000; // profiles
const PRESENCE_PAGE = 100; // GetPresenceRequest.user_ids
/** What is not pushed is asked for so often: presence of those who were not named when the stream opened, lost profiles. */
const ASK_MS = 20_000;

export interface Presence {
  readonly online: boolean;
  /** Milliseconds since the Unix epoch; 0: not known, or here now. */
  readonly lastSeenMs: number;
}

const UNKNOWN: Presence = { online: false, lastSeenMs: 0 };

export class People {
  #profiles = new Map<string, Signal<User>>();
  #presences = new Map<string, Signal<Presence>>();
  #queue: string[] = [];
  #unanswered: string[] = [];
  #asking = 0;
  #followed: ReadonlySet<string> = new Set();
  #wanted = new Map<string, number>();
  #timer: ReturnType<typeof setInterval>;

  constructor(private readonly rpc: Rpc) {
    this.#timer = setInterval(() => this.nudge(), ASK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  // --- profiles -----------------------------------------------------------------------------------------------------

  /** A profile; only the id until the server has answered. */
  profile(userId: string): ReadonlySignal<User> {
    const had = this.#profiles.get(userId);
    if (had !== undefined) return had;
    const profile = signal<User>({ userId, name: "", avatarUrl: "" });
    this.#profiles.set(userId, profile);
    this.#queue.push(userId);
    void this.#ask();
    return profile;
  }

  /** Somebody's profile was seen in an answer. */
  note(user: User): void {
    const had = this.#profiles.get(user.userId);
    if (had !== undefined) had.value = user;
    else this.#profiles.set(user.userId, signal(user));
  }

  /** Those that were met last, for the next visit. */
  known(): User[] {
    const known = [...this.#profiles.values()].map((profile) => profile.peek()).filter(({ name }) => name !== "");
    return known.slice(-MAX_KEPT);
  }

  async #ask(): Promise<void> {
    if (this.#asking >= AT_ONCE) return;
    this.#asking += 1;
    for (let userId = this.#queue.shift(); userId !== undefined; userId = this.#queue.shift()) {
      try {
        const { user } = await this.rpc.users.getUser({ userId });
        if (user !== undefined) this.note(userFrom(user));
      } catch (thrown) {
        if (errorFrom(thrown).transient) this.#unanswered.push(userId); // the id is shown meanwhile
      }
    }
    this.#asking -= 1;
  }

  /** Ask for what was not answered, and for who is here. */
  nudge(): void {
    this.#queue.push(...this.#unanswered.splice(0));
    for (let asking = this.#asking; asking < AT_ONCE; asking += 1) void this.#ask();
    void this.askForPresence();
  }

  // --- presence -----------------------------------------------------------------------------------------------------

  presence(userId: string): ReadonlySignal<Presence> {
    return this.#presence(userId);
  }

  /** Somebody's presence is on the screen; call what is returned when it is no more. */
  look(userIds: readonly string[]): () => void {
    for (const userId of userIds) this.#wanted.set(userId, (this.#wanted.get(userId) ?? 0) + 1);
    void this.askForPresence(userIds);
    return () => {
      for (const userId of userIds) {
        const count = (this.#wanted.get(userId) ?? 0) - 1;
        if (count > 0) this.#wanted.set(userId, count);
        else this.#wanted.delete(userId);
      }
    };
  }

  /** Whom the next session is to follow, the most important first. */
  follow(userIds: readonly string[]): string[] {
    const followed = [...new Set(userIds)].slice(0, MAX_WATCHED);
    this.#followed = new Set(followed);
    return followed;
  }

  onPresence({ userId, online, lastSeenTimeMs }: WirePresence): void {
    this.#presence(userId).value = { online, lastSeenMs: Number(lastSeenTimeMs) };
  }

  /** Nobody tells any more who is here. */
  onDisconnect(): void {
    this.#followed = new Set();
  }

  async askForPresence(userIds: readonly string[] = [...this.#wanted.keys()]): Promise<void> {
    const asked = userIds.filter((userId) => !this.#followed.has(userId)).slice(0, PRESENCE_PAGE);
    if (asked.length === 0) return;
    try {
      const { presences } = await this.rpc.presence.getPresence({ userIds: asked });
      for (const presence of presences) this.onPresence(presence);
    } catch {
      // soft state: asked again by and by
    }
  }

  #presence(userId: string): Signal<Presence> {
    let presence = this.#presences.get(userId);
    if (presence === undefined) {
      presence = signal(UNKNOWN);
      this.#presences.set(userId, presence);
    }
    return presence;
  }
}
