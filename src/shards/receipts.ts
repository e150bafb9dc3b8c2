// Receipts: messages on their way between shards. A receipt says where it is in its lane, until when it may be executed, which
// transaction it comes from, and the message.
//
// Until `expiresAtHeight` the destination may execute it; afterwards the source takes it back. No block may do the other, so
// a receipt is executed or taken back, once. A refund never expires and cannot be refused.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { bytesUpTo, decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest, type OwnerId } from '../base/ids.ts';
import { HEIGHT_MAX, RECEIPT_LENGTH_MAX } from '../base/limits.ts';
import { type Amounts, amountsSchema } from './amounts.ts';
import { type Lane, laneSchema, laneTuple } from './lane.ts';
import type { Delivery, Message } from './operation.ts';
import { HOME_TAGS, type Home, homeOf } from './state-key.ts';

export interface Receipt {
  readonly lane: Lane;
  readonly sequence: number;
  /** Block that sent it. */
  readonly height: number;
  /** Last height at which it may be executed; null for a refund. */
  readonly expiresAtHeight: number | null;
  /** The transaction from which it comes, or what a rule of the system named in its place. */
  readonly origin: Digest;
  readonly message: Message;
}

/** The kinds of message that a network knows. */
export class Deliveries {
  readonly #byKind: ReadonlyMap<string, Delivery<unknown>>;
  readonly #byTag: ReadonlyMap<number, Delivery<unknown>>;

  constructor(deliveries: readonly Delivery<unknown>[]) {
    this.#byKind = new Map(deliveries.map((delivery) => [delivery.kind, delivery]));
    this.#byTag = new Map(deliveries.map((delivery) => [delivery.tag, delivery]));
    assert(this.#byTag.size === deliveries.length, 'a number names one kind of message');
  }

  /** Throws INTERNAL for a kind that there is not: only our own code names kinds. */
  of(kind: string): Delivery<unknown> {
    const delivery = this.#byKind.get(kind);
    if (delivery === undefined) throw new StoreError('INTERNAL', `no message kind "${kind}"`);
    return delivery;
  }

  withTag(tag: number): Delivery<unknown> {
    const delivery = this.#byTag.get(tag);
    if (delivery === undefined)
      throw new StoreError('INVALID_ENCODING', `receipt: no message kind with number ${tag}`);
    return delivery;
  }
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

/** Homes that get messages, by tag. A shard's own home gets none. */
const ADDRESSABLE = ['system', 'account', 'node', 'bucket', 'object'] as const;

const homeSchema: z.ZodType<Home> = z
  .tuple([uint(HOME_TAGS.object), bytesUpTo(DIGEST_LENGTH)])
  .refine(([tag, id]) => id.length === (tag === HOME_TAGS.system ? 0 : DIGEST_LENGTH), 'not a home')
  .transform(([tag, id]) => homeOf(ADDRESSABLE[tag]!, id));

const messageSchema = z.tuple([homeSchema, uint(), z.unknown(), amountsSchema, digestOf<OwnerId>()]);

const receiptSchema = z.tuple([
  laneSchema,
  uint(),
  uint(HEIGHT_MAX),
  uint(HEIGHT_MAX).nullable(),
  digestOf(),
  messageSchema,
]);

function messageTuple(message: Message, deliveries: Deliveries): readonly unknown[] {
  const { to, kind, payload, value, refundTo } = message;
  const delivery = deliveries.of(kind);
  return [[HOME_TAGS[to.kind], to.id], delivery.tag, delivery.tuple(payload), value, refundTo];
}

export function encodeReceipt(receipt: Receipt, deliveries: Deliveries): Uint8Array {
  const { lane, sequence, height, expiresAtHeight, origin, message } = receipt;
  return encode([
    laneTuple(lane),
    sequence,
    height,
    expiresAtHeight,
    origin,
    messageTuple(message, deliveries),
  ]);
}

/** Throws INVALID_ENCODING. */
export function decodeReceipt(bytes: Uint8Array, deliveries: Deliveries): Receipt {
  const tuple = decodeCanonical(receiptSchema, bytes, RECEIPT_LENGTH_MAX, 'receipt');
  const [lane, sequence, height, expiresAtHeight, origin, [to, tag, packed, value, refundTo]] = tuple;
  const delivery = deliveries.withTag(tag);
  const payload = delivery.schema.safeParse(packed);
  if (!payload.success) {
    throw new StoreError('INVALID_ENCODING', `receipt ${delivery.kind}: ${payload.error.message}`);
  }
  const message: Message = { to, kind: delivery.kind, payload: payload.data, value, refundTo };
  return { lane, sequence, height, expiresAtHeight, origin, message };
}

export function receiptDigest(bytes: Uint8Array, sha256?: Sha256): Digest {
  return digest('receipt', [bytes], sha256);
}

/** The tokens that an encoded receipt carries, whatever its message is. */
export function valueOfReceipt(bytes: Uint8Array): Amounts {
  return decodeCanonical(valueSchema, bytes, RECEIPT_LENGTH_MAX, 'receipt')[5][3];
}

const any = z.unknown();
/** The place of the value in a receipt. */
const valueSchema = z.tuple([any, any, any, any, any, z.tuple([any, any, any, amountsSchema, any])]);
