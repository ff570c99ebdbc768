/** A server and people connected to it; everything is closed when the test ends. */

import { effect } from "@preact/signals-core";
import { afterEach, beforeEach } from "vitest";
import type { Conversation, MyChannel, Options, TertuliaClient } from "../src/index.js";
import { connect } from "../src/index.js";
import { FakeServer } from "./fake_server.js";

export interface World {
  server: FakeServer;
  join(userId: string, options?: Partial<Options>): Promise<TertuliaClient>;
  /** As `join`, without waiting for the connection. */
  begin(userId: string, options?: Partial<Options>): TertuliaClient;
}

export function world(): World {
  const clients: TertuliaClient[] = [];
  const here: World = {
    server: new FakeServer(),
    begin(userId, options = {}) {
      const client = connect({ url: here.server.url, userId, token: `token-${userId}`, keep: false, ...options });
      clients.push(client);
      return client;
    },
    async join(userId, options) {
      const client = here.begin(userId, options);
      await online(client);
      return client;
    },
  };
  beforeEach(async () => {
    here.server = new FakeServer();
    await here.server.start();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await here.server.stop();
  });
  return here;
}

/** A token that says whose it is. */
export function tokenOf(claims: object): string {
  return ["head", Buffer.from(JSON.stringify(claims)).toString("base64url"), "signature"].join(".");
}

/** Resolves once `condition` holds; it is asked again whenever a signal that it reads changes. */
export function until(condition: () => boolean, promise = condition.toString()): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(new Error(`not within 5 s: ${promise}`)), 5_000);
    let dispose = () => {};
    let done = false;
    const end = (error?: Error) => {
      done = true;
      clearTimeout(timer);
      dispose();
      if (error === undefined) resolve();
      else reject(error);
    };
    dispose = effect(() => {
      if (!done && condition()) queueMicrotask(() => end());
    });
  });
}

export function online(client: TertuliaClient): Promise<void> {
  return until(() => client.connection.value.state === "online");
}

export function channel(client: TertuliaClient, channelId: string): MyChannel {
  const found = client.inbox.get(channelId);
  if (found === undefined) throw new Error(`${channelId} is not in the inbox`);
  return found;
}

/** A conversation that shows its first page. */
export async function opened(client: TertuliaClient, channelId: string): Promise<Conversation> {
  const conversation = client.open(channel(client, channelId));
  await shown(conversation);
  return conversation;
}

export function shown(conversation: Conversation): Promise<void> {
  const { view } = conversation.timeline;
  return until(() => view.value.loading === "nothing" && !view.value.stale && view.value.error === undefined);
}

export function texts(conversation: Conversation): string[] {
  return conversation.timeline.view.value.messages.map(({ original, state }) =>
    state.deleted ? "(deleted)" : (state.edited ?? original).text,
  );
}
