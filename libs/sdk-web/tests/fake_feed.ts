/** Frames for one stream of the fake server. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type NoticeSchema, type ServerFrame, ServerFrameSchema } from "../src/gen/tertulia/chat/v1/session_pb.js";

type Notice = MessageInitShape<typeof NoticeSchema>["notice"];

export class FakeFeed {
  #frames: ServerFrame[] = [];
  #wake: () => void = () => {};
  #ended = false;

  constructor(
    readonly user: string,
    readonly watched: ReadonlySet<string>,
  ) {}

  put(frame: MessageInitShape<typeof ServerFrameSchema>): void {
    this.#frames.push(create(ServerFrameSchema, frame));
    this.#wake();
  }

  notice(...notices: Notice[]): void {
    this.put({ notices: notices.map((notice) => ({ notice })) });
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *frames(): AsyncGenerator<ServerFrame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) yield frame;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
