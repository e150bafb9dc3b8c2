// What a kind of transaction is, as two halves: what happens at the sender's home (`commit`), and what happens at other homes
// (`execute`), to which it speaks by messages only. A message to a home in the same shard is executed at once; one to another shard
// travels as a receipt and is executed in a later block. So every operation is a cross-shard operation, and is written and
// tested once.

import type { ZodType } from 'zod';
import type { Epoch, NetworkId, OwnerId } from '../base/ids.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Verify } from '../base/ports.ts';
import type { Amounts } from './amounts.ts';
import type { Home, StateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

/** Why something was not done. Part of outcomes, hence of consensus: codes only, never texts. */
export const REFUSALS = [
  'insufficient-balance',
  'no-such-account',
  'no-such-node',
  'no-such-bucket',
  'no-such-object',
  'no-such-name',
  'already-exists',
  'not-the-owner',
  'not-the-operator',
  'condition-failed', // a compare-and-swap found another value
  'limit-exceeded',
  'invalid-argument',
  'invalid-certificate',
  'invalid-evidence',
  'jailed',
  'tombstoned',
  'too-early',
  'too-late',
  'not-empty',
  'expired',
  'destination-full', // too much is on its way there already
] as const;
export type RefusalCode = (typeof REFUSALS)[number];

/** The block that is being applied, as far as operations may know it. */
export interface BlockContext {
  readonly network: NetworkId;
  readonly height: number;
  readonly epoch: Epoch;
  /** Milliseconds since 1970 by the block's header: agreed on, and only for expiry. */
  readonly timeMs: number;
  readonly shardBits: number;
  readonly sha256: Sha256;
  readonly verify: Verify;
}

/** What one home tells another. Value travels with it: it has left the sender and has not arrived yet. */
export interface Message {
  readonly to: Home;
  /** Which delivery executes it. */
  readonly kind: string;
  readonly payload: unknown;
  /** Tokens on the way: taken from the sender's records before it was sent. */
  readonly value: Amounts;
  /** The account that gets the value back when the message is refused or was not executed in time. */
  readonly refundTo: OwnerId;
}

export interface CommitContext {
  readonly block: BlockContext;
  readonly state: Overlay;
  readonly sender: OwnerId;
  /** Digest of the signed transaction. */
  readonly transactionId: Uint8Array;
  send(this: void, message: Message): void;
}

export interface ExecuteContext {
  readonly block: BlockContext;
  readonly state: Overlay;
  readonly message: Message;
  send(this: void, message: Message): void;
}

/** A kind of transaction. Refusals leave no trace but nonce and fee. */
export interface Operation<Action> {
  readonly kind: string;
  /** Number of the kind in encodings; never given to another. */
  readonly tag: number;
  readonly schema: ZodType<Action>;
  tuple(this: void, action: Action): readonly unknown[];
  /** Records that `commit` reads, so that one load is enough. A hint: more may be asked for. */
  touches(sender: OwnerId, action: Action, block: BlockContext): readonly StateKey[];
  /** Homes that messages of it go to. A hint, as `touches` is. */
  recipients?(sender: OwnerId, action: Action): readonly Home[];
  commit(context: CommitContext, action: Action): RefusalCode | undefined;
}

/**
 * A kind of message, as its destination handles it. A refusal sends the value back. What comes of one receipt is at most one
 * receipt, so that deliveries never make the queues longer: a second message to another shard is refused as `limit-exceeded`.
 */
export interface Delivery<Payload> {
  readonly kind: string;
  readonly tag: number;
  readonly schema: ZodType<Payload>;
  tuple(this: void, payload: Payload): readonly unknown[];
  touches(message: Message, payload: Payload, block: BlockContext): readonly StateKey[];
  execute(context: ExecuteContext, payload: Payload): RefusalCode | undefined;
  /**
   * What goes back in place of a refund when the message is refused or not executed in time: for messages that take something
   * else than tokens along. It carries the same value, and its delivery says `isReturn`.
   */
  undo?(message: Message, payload: Payload, reason: RefusalCode): Message;
  /** It ends what another message began: it finds room on every lane, never expires, and is not to be refused. */
  readonly isReturn?: true;
}
