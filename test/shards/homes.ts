// Homes that talk by messages, for tests of operations: as if each home were a shard of its own. Every message travels as bytes, waits
// until the test lets it arrive or expire, and is executed with nothing loaded but what its kind says it touches and what it then asks for.

import { expect } from 'vitest';
import { decodeCanonical, encode } from '../../src/base/codec.ts';
import type { Digest, Epoch, NetworkId, OwnerId } from '../../src/base/ids.ts';
import { RECEIPT_LENGTH_MAX, TRANSACTION_LENGTH_MAX } from '../../src/base/limits.ts';
import type { Verify } from '../../src/base/ports.ts';
import type { BlockContext, Delivery, Message, Operation, RefusalCode } from '../../src/shards/operation.ts';
import { refundDelivery, refundOf } from '../../src/shards/operations/refund.ts';
import { creditDelivery } from '../../src/shards/operations/transfer.ts';
import { STAKE_DELIVERIES, STAKE_OPERATIONS } from '../../src/shards/stake-rules.ts';
import { STORAGE_DELIVERIES, STORAGE_OPERATIONS } from '../../src/shards/storage-rules.ts';
import { digestFrom } from '../helpers/records.ts';
import { Memory } from './memory.ts';
import { fastSha256 } from './kinds.ts';
import { fastVerify, NETWORK, ownerOf } from './world.ts';

export interface Arrived {
  readonly kind: string;
  readonly refusal: RefusalCode | undefined;
}

export class Homes {
  readonly memory: Memory = new Memory();
  readonly waiting: Message[] = [];
  readonly network: NetworkId = NETWORK;
  readonly verify: Verify = fastVerify;
  height = 10;
  timeMs = 1_000_000;
  epoch: Epoch = 0 as Epoch;
  shardBits = 2;
  /** The most that any execution had to ask for. */
  rounds = 0;
  #transactions = 0;
  readonly #operations: ReadonlyMap<string, Operation<unknown>> = new Map(
    [...STAKE_OPERATIONS, ...STORAGE_OPERATIONS].map((one) => [one.kind, one]),
  );
  readonly #deliveries: ReadonlyMap<string, Delivery<unknown>> = new Map(
    [...STAKE_DELIVERIES, ...STORAGE_DELIVERIES, creditDelivery, refundDelivery].map((one) => [
      one.kind,
      one as Delivery<unknown>,
    ]),
  );

  get block(): BlockContext {
    const { height, timeMs, epoch, shardBits } = this;
    return {
      network: NETWORK,
      height,
      epoch,
      timeMs,
      shardBits,
      sha256: fastSha256,
      verify: this.verify,
    };
  }

  /** Id of the transaction that comes next. */
  get nextId(): Digest {
    return digestFrom(`transaction ${this.#transactions}`);
  }

  /** A transaction of `name`; its messages wait. */
  act(name: string, kind: string, parameters: unknown): RefusalCode | undefined {
    const operation = this.#operations.get(kind)!;
    const sender: OwnerId = ownerOf(name);
    const action = travelled(operation, parameters, TRANSACTION_LENGTH_MAX);
    const transactionId = this.nextId;
    this.#transactions++;
    this.height++;
    return this.#attempt(operation.touches(sender, action, this.block), (state, send) =>
      operation.commit({ block: this.block, state, sender, transactionId, send }, action),
    );
  }

  /** Executes the message that has waited longest. */
  arrive(): Arrived {
    const message = this.#next();
    const delivery = this.#deliveries.get(message.kind)!;
    const refusal = this.#attempt(delivery.touches(message, message.payload, this.block), (state, send) =>
      delivery.execute({ block: this.block, state, message, send }, message.payload),
    );
    expect(delivery.isReturn === true && refusal !== undefined, 'returns are not refused').toBe(false);
    if (refusal !== undefined) this.#undo(message, refusal);
    return { kind: message.kind, refusal };
  }

  /** The message that has waited longest is taken back by whoever sent it. */
  expire(): void {
    const message = this.#next();
    expect(this.#deliveries.get(message.kind)!.isReturn, 'returns do not expire').toBeUndefined();
    this.#undo(message, 'expired');
  }

  /** Lets everything arrive; gives what became of each message. */
  settle(): readonly Arrived[] {
    const arrived: Arrived[] = [];
    while (this.waiting.length > 0) {
      expect(arrived.length).toBeLessThan(100);
      arrived.push(this.arrive());
    }
    return arrived;
  }

  /** A transaction and all that follows: the first refusal, wherever it was. */
  do(name: string, kind: string, parameters: unknown): RefusalCode | undefined {
    const refusal = this.act(name, kind, parameters);
    return refusal ?? this.settle().find((arrived) => arrived.refusal !== undefined)?.refusal;
  }

  #next(): Message {
    const message = this.waiting.shift();
    expect(message, 'a message waits').toBeDefined();
    const delivery = this.#deliveries.get(message!.kind)!;
    this.height++;
    return { ...message!, payload: travelled(delivery, message!.payload, RECEIPT_LENGTH_MAX) };
  }

  #undo(message: Message, reason: RefusalCode): void {
    const undone = this.#deliveries.get(message.kind)!.undo?.(message, message.payload, reason);
    this.waiting.push(...(undone === undefined ? refundOf(message, reason) : [undone]));
  }

  /** All or nothing, as a step of a block is. */
  #attempt(
    keys: Parameters<Memory['runLoading']>[0],
    work: (
      state: Parameters<Operation<unknown>['commit']>[0]['state'],
      send: (message: Message) => void,
    ) => RefusalCode | undefined,
  ): RefusalCode | undefined {
    let sent: Message[] = [];
    const refused = Symbol('refused');
    let refusal: RefusalCode | undefined;
    try {
      const { rounds } = this.memory.runLoading(keys, (state) => {
        sent = [];
        refusal = work(state, (message) => sent.push(message));
        if (refusal !== undefined) throw refused;
      });
      this.rounds = Math.max(this.rounds, rounds);
    } catch (error) {
      if (error !== refused) throw error;
      return refusal;
    }
    this.waiting.push(...sent);
    return undefined;
  }
}

/** What others make of it once it has been sent. */
function travelled(
  { schema, tuple, kind }: Pick<Operation<unknown>, 'schema' | 'tuple' | 'kind'>,
  value: unknown,
  lengthMax: number,
): unknown {
  const bytes = encode(tuple(value));
  const parsed = decodeCanonical(schema, bytes, lengthMax, kind);
  expect(encode(tuple(parsed)), `${kind} has one form`).toEqual(bytes);
  return parsed;
}
