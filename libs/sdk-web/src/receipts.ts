/** What the user has read, and what has reached this device: known here at once, and told to the server when it can be. */

import type { Inbox } from "./inbox.js";
import { MAX_RECEIPT_MEMBERS } from "./members.js";
import type { MyChannel } from "./models.js";
import { Positions } from "./positions.js";
import type { Rpc } from "./rpc.js";

const READ_PAUSE_MS = 400; // the others see soon what was read

export class Receipts {
  #reads: Positions;
  #deliveries: Positions;

  constructor(
    { channels }: Rpc,
    private readonly inbox: Inbox,
  ) {
    this.#reads = new Positions(
      (channelId, seq) => channels.advanceReadPosition({ channelId, readSeq: BigInt(seq) }),
      READ_PAUSE_MS,
    );
    this.#deliveries = new Positions((channelId, seq) =>
      channels.advanceDeliveredPosition({ channelId, deliveredSeq: BigInt(seq) }),
    );
  }

  /** Everything up to a message is read. */
  read(channelId: string, seq: number, messageCount: number): void {
    if (!this.inbox.entry(channelId)?.read(seq, messageCount)) return;
    this.inbox.changed();
    this.#reads.advance(channelId, seq);
  }

  /** The server does not have what was read here. */
  readAgain(channelId: string, seq: number): void {
    this.#reads.again(channelId, seq);
  }

  /** What is here has reached the device. Nobody is told in large channels. */
  deliver({ channelId, headSeq, deliveredSeq, memberCount, lastMessage }: MyChannel): void {
    if (memberCount > MAX_RECEIPT_MEMBERS || headSeq <= deliveredSeq || lastMessage === undefined) return;
    this.inbox.entry(channelId)?.delivered(headSeq);
    if (lastMessage.seq > deliveredSeq) this.#deliveries.advance(channelId, headSeq);
  }

  /** There is a connection: do not wait any longer. */
  nudge(): void {
    this.#reads.nudge();
    this.#deliveries.nudge();
  }

  close(): void {
    this.#reads.close();
    this.#deliveries.close();
  }
}
