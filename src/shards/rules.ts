// Where other parts of the ledger plug into the execution of a block: evidence and reveals at its opening, rewards at its closing, what
// happens at the border of an epoch. And what of the parameters the execution itself needs.

import type { NodeId } from '../base/ids.ts';
import type { CommitCertificate, Evidence } from '../consensus/types.ts';
import type { Kinds } from './block.ts';
import type { BlockContext, Message } from './operation.ts';
import type { Holding } from './conservation.ts';
import type { RecordKind, StateKey } from './state-key.ts';
import type { Overlay } from './view.ts';

/** What a block says beside its receipts and transactions. */
export interface BlockInputs {
  readonly proposer: NodeId;
  readonly reveal: Uint8Array | null;
  readonly evidence: readonly Evidence[];
  readonly lastCommit: CommitCertificate | null;
}

export interface RuleContext {
  readonly block: BlockContext;
  /** Written to directly: a rule cannot be refused, only make the block invalid. */
  readonly state: Overlay;
  readonly inputs: BlockInputs;
  /** Transactions executed so far in the block, refused ones too. */
  readonly transactions: number;
  /**
   * Sends from the system's home, executed at once or put on a lane. False, and nothing happened, when the lane has no room: then the
   * value stays where it is, and the rule tries again in a later block.
   */
  send(this: void, message: Message): boolean;
  /** Whether the number of shards may change now: not before the lanes from the last change are drained. */
  readonly canReshape: boolean;
  /** From the next block on there are 2^shardBits shards, one bit more or less than now. For rules at the border only. */
  reshape(shardBits: number): void;
}

export interface BlockRule {
  readonly name: string;
  /** Records that it reads, so that one load is enough. A hint: more may be asked for. */
  touches(inputs: BlockInputs, block: BlockContext): readonly StateKey[];
  /** What is wrong with the inputs, and the block is invalid for it; undefined when nothing is. */
  apply(context: RuleContext): string | undefined;
}

export interface Rules extends Kinds {
  /** Before receipts and transactions, in this order. */
  readonly opening: readonly BlockRule[];
  /** After them. */
  readonly closing: readonly BlockRule[];
  /** After those, in the last block of an epoch. */
  readonly border: readonly BlockRule[];
  /** Every record that holds tokens, and how many: for the audit that value is conserved. */
  readonly holdings: ReadonlyMap<RecordKind, Holding>;
}

/** Parameters of the network in force at a height. */
export interface LedgerParams {
  /** Native tokens that a transaction pays at least. */
  readonly feePerTransaction: bigint;
  readonly feePerByte: bigint;
  /** Blocks within which a receipt is executed, or taken back afterwards. */
  readonly receiptLifetimeBlocks: number;
}

export function leastFee({ feePerTransaction, feePerByte }: LedgerParams, lengthBytes: number): bigint {
  return feePerTransaction + feePerByte * BigInt(lengthBytes);
}
