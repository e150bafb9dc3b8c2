// How long a block this node proposes, so that the others have executed it long before they give up waiting. What a byte of a block costs is
// measured here, by the clock on the wall: on a machine that is busy with other things blocks get shorter. What cannot be measured here,
// how busy the others are, shows in proposals that fail: each halves what is proposed next, and those that are decided let it grow.
//
// Not part of the protocol: what others propose is judged whatever its length is, and with every round of a height half as much is
// proposed, whatever was measured. So no liar and no clock can keep blocks from being made.

import {
  BLOCK_LENGTH_MAX,
  RECEIPTS_PER_BLOCK_MAX,
  TRANSACTION_LENGTH_MAX,
  TRANSACTIONS_PER_BLOCK_MAX,
} from '../../base/limits.ts';
import type { BlockId } from '../../consensus/types.ts';

/** What is proposed at most. */
export interface BlockShare {
  /** Of transactions; not less than the longest of them has. */
  readonly bytes: number;
  readonly transactions: number;
  readonly receipts: number;
}

/** Of what a block may have: 64 transactions, or one. */
const PART_MIN = 1 / 64;
const HALVINGS_MAX: number = Math.log2(1 / PART_MIN);
/** Making, sending and judging: half of the time that is waited for a proposal is left to what else goes on. */
const PASSES = 4;
/** Shorter ones tell more about what else a block costs. */
const MEASURED_LENGTH_MIN = 16 * 1024;
const GROWTH = 1.25;
/** Proposals of this node that are not decided yet: of one height, one of each round. */
const PROPOSED_MAX = 64;

export class BlockBudget {
  /** Milliseconds for each byte; 0: not known yet. */
  #byteMs = 0;
  /** By the fate of earlier proposals. */
  #trust = 1;
  #proposed: { readonly blockId: BlockId; readonly lengthBytes: number }[] = [];
  #height = 0;

  /** For a proposal of this round of a height in which `proposeMs` are waited for a proposal. */
  share(round: number, proposeMs: number): BlockShare {
    const fitting = this.#byteMs === 0 ? 1 : proposeMs / (PASSES * this.#byteMs * BLOCK_LENGTH_MAX);
    const part = Math.max(Math.min(1, this.#trust, fitting) / 2 ** Math.min(round, HALVINGS_MAX), PART_MIN);
    return {
      bytes: Math.max(Math.floor(BLOCK_LENGTH_MAX * part), TRANSACTION_LENGTH_MAX),
      transactions: Math.floor(TRANSACTIONS_PER_BLOCK_MAX * part),
      receipts: Math.floor(RECEIPTS_PER_BLOCK_MAX * part),
    };
  }

  /** A block of this length was made or judged here, which took so long. */
  measured(lengthBytes: number, elapsedMs: number): void {
    if (lengthBytes < MEASURED_LENGTH_MIN) return;
    const byteMs = elapsedMs / lengthBytes;
    // What gets slower counts sooner than what gets faster.
    const weight = byteMs > this.#byteMs ? 0.5 : 0.2;
    this.#byteMs = this.#byteMs === 0 ? byteMs : (1 - weight) * this.#byteMs + weight * byteMs;
  }

  proposed(height: number, blockId: BlockId, lengthBytes: number): void {
    if (height !== this.#height) this.#proposed = [];
    this.#height = height;
    if (this.#proposed.length < PROPOSED_MAX) this.#proposed.push({ blockId, lengthBytes });
  }

  /** The height is over. */
  decided(height: number, blockId: BlockId): void {
    const proposed = height === this.#height ? this.#proposed : [];
    this.#proposed = [];
    for (const own of proposed) {
      if (own.blockId !== blockId) this.#trust = Math.max(this.#trust / 2, PART_MIN);
      // A block that was short of what was allowed says nothing about longer ones.
      else if (2 * own.lengthBytes > this.#trust * BLOCK_LENGTH_MAX) {
        this.#trust = Math.min(1, this.#trust * GROWTH);
      }
    }
  }
}
