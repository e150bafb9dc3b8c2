// How transactions are said to everybody: one as it is, or several in one message, because a message costs its author a signature and every
// node on its way a verification, whatever its length.
//
//     message = transaction | 0xff (u32 length, transaction)+          No transaction begins with 0xff.
//
// The first is said at once; what follows within a while is said together. So a transaction waits for no other when there are few. The while
// is as long as a hop takes, and grows as long as messages hold several transactions and not enough of them: then a message is what
// costs, and whoever has many waiting does not wait for one.

import { StoreError } from '../../base/errors.ts';
import { GOSSIP_MESSAGE_LENGTH_MAX } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';

const BATCH = 0xff;
const LENGTH_LENGTH = 4;
/** As long as a hop of gossip takes on one machine. */
const BATCH_MS_MIN = 10;
/** A fraction of what a block takes that is made of so many. */
const BATCH_MS_MAX = 80;
/** With so many in a message, what it costs beside them is a small part. */
const BATCH_ENOUGH = 24;

/** Of at least one transaction; `encodedLength` tells whether they fit. */
export function encodeTransactions(transactions: readonly Uint8Array[]): Uint8Array {
  if (transactions.length === 1) return transactions[0]!;
  const message = new Uint8Array(transactions.reduce((sum, { length }) => sum + LENGTH_LENGTH + length, 1));
  const view = new DataView(message.buffer);
  message[0] = BATCH;
  let at = 1;
  for (const transaction of transactions) {
    view.setUint32(at, transaction.length);
    message.set(transaction, at + LENGTH_LENGTH);
    at += LENGTH_LENGTH + transaction.length;
  }
  return message;
}

/** At least one, each with memory of its own. Throws INVALID_ENCODING. */
export function decodeTransactions(message: Uint8Array): readonly Uint8Array[] {
  if (message[0] !== BATCH) return [message];
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const transactions: Uint8Array[] = [];
  for (let at = 1; at < message.length; ) {
    const from = at + LENGTH_LENGTH;
    if (from > message.length) throw cut();
    at = from + view.getUint32(at);
    if (at > message.length || at === from) throw cut();
    transactions.push(message.slice(from, at));
  }
  if (transactions.length < 2) throw cut();
  return transactions;
}

function cut(): StoreError {
  return new StoreError('INVALID_ENCODING', 'transactions: not what the lengths between them say');
}

/** Puts what is said within a short time into one message. */
export class TransactionBatcher {
  readonly #clock: Pick<Clock, 'monotonic' | 'timer'>;
  readonly #publish: (message: Uint8Array) => void;
  #gathered: Uint8Array[] = [];
  #gatheredLength = 1;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #waitMs: number = BATCH_MS_MIN;
  #cancel: (() => void) | undefined;

  constructor(clock: Pick<Clock, 'monotonic' | 'timer'>, publish: (message: Uint8Array) => void) {
    this.#clock = clock;
    this.#publish = publish;
  }

  add(transaction: Uint8Array): void {
    const lengthBytes = LENGTH_LENGTH + transaction.length;
    if (this.#gatheredLength + lengthBytes > GOSSIP_MESSAGE_LENGTH_MAX) this.#say();
    this.#gathered.push(transaction);
    this.#gatheredLength += lengthBytes;
    if (this.#cancel !== undefined) return;
    const waitMs = this.#saidAtMs + this.#waitMs - this.#clock.monotonic();
    if (waitMs <= 0) this.#say();
    else this.#cancel = this.#clock.timer(waitMs, () => this.#say());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#gathered = [];
  }

  #say(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#gathered.length === 0) return;
    const message = encodeTransactions(this.#gathered);
    this.#waitMs = nextWaitMs(this.#waitMs, this.#gathered.length);
    this.#gathered = [];
    this.#gatheredLength = 1;
    this.#saidAtMs = this.#clock.monotonic();
    this.#publish(message);
  }
}

function nextWaitMs(waitMs: number, gathered: number): number {
  if (gathered === 1 || gathered > 2 * BATCH_ENOUGH) return Math.max(waitMs / 2, BATCH_MS_MIN);
  return gathered < BATCH_ENOUGH ? Math.min(2 * waitMs, BATCH_MS_MAX) : waitMs;
}
