/** Calls to the server: a token on each, a deadline on each, and one more try when the token had expired. */

import { type Client, Code, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { errorFrom } from "./errors.js";
import { ChannelService } from "./gen/tertulia/chat/v1/channel_pb.js";
import { MessageService } from "./gen/tertulia/chat/v1/message_pb.js";
import { PresenceService } from "./gen/tertulia/chat/v1/presence_pb.js";
import { SessionService } from "./gen/tertulia/chat/v1/session_pb.js";
import { UserService } from "./gen/tertulia/chat/v1/user_pb.js";
import type { Tokens } from "./tokens.js";

/** A call that was not answered by then is repeated or told of; long enough for a phone in a tunnel. */
const CALL_MS = 15_000;

/** The services of the protos, each method a call. What they throw goes through `errorFrom`. */
export interface Rpc {
  readonly channels: Client<typeof ChannelService>;
  readonly messages: Client<typeof MessageService>;
  readonly presence: Client<typeof PresenceService>;
  readonly session: Client<typeof SessionService>;
  readonly users: Client<typeof UserService>;
}

export function rpcOver(baseUrl: string, tokens: Tokens): Rpc {
  const transport = createConnectTransport({
    baseUrl,
    useBinaryFormat: true,
    defaultTimeoutMs: CALL_MS,
    interceptors: [authorise(tokens)],
  });
  return rpcOn(transport);
}

function rpcOn(transport: Transport): Rpc {
  return {
    channels: createClient(ChannelService, transport),
    messages: createClient(MessageService, transport),
    presence: createClient(PresenceService, transport),
    session: createClient(SessionService, transport),
    users: createClient(UserService, transport),
  };
}

function authorise(tokens: Tokens): Interceptor {
  return (next) => async (request) => {
    const token = await tokens.get();
    request.header.set("Authorization", `Bearer ${token}`);
    try {
      return await next(request);
    } catch (thrown) {
      // a stream is opened again by its owner, who has a hello to say anew
      if (request.stream || errorFrom(thrown).code !== Code.Unauthenticated || !tokens.refused(token)) throw thrown;
      request.header.set("Authorization", `Bearer ${await tokens.get()}`);
      return await next(request);
    }
  };
}
