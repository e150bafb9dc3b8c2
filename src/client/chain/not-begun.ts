// A chain that nodes answer for and that has nothing to show yet: its validators have not found each other, or nodes fetch what they missed.
// Whoever asks waits for it, for a while.

import { StoreError } from '../../base/errors.ts';

export interface Beginning {
  /** How many decide the next block, and how many of them answer. */
  readonly validators: number;
  readonly answering: number;
  /** Those who answer have more than two thirds of the power. */
  readonly isQuorum: boolean;
  /** Nodes that show a block, and that say that they have none. */
  readonly withBlocks: number;
  readonly without: number;
  /** What one says that is not at work yet; undefined when there is none. */
  readonly reason: string | undefined;
}

export class NotBegun extends StoreError {
  readonly beginning: Beginning;

  /** NOT_FOUND only where a few nodes were asked and none of them has any block: UNREACHABLE else, as nothing is known of what is there. */
  constructor(beginning: Beginning, isSure: boolean) {
    const isEmpty = !isSure && beginning.withBlocks === 0 && beginning.reason === undefined;
    super(isEmpty ? 'NOT_FOUND' : 'UNREACHABLE', whatOf(beginning), { next: nextOf(beginning) });
    this.beginning = beginning;
  }
}

function whatOf({ validators, answering, withBlocks, without, reason }: Beginning): string {
  const who = `${answering} of ${validators} validators answer`;
  if (withBlocks === 0 && without > 0) return `the chain has no block yet: ${who}`;
  if (withBlocks === 0) return `no node can show the chain yet: ${who}, and one says: ${reason}`;
  const state = reason === undefined ? `${without} have no block yet` : `one says: ${reason}`;
  return `too few nodes can show the chain yet: ${who}, and ${state}`;
}

function nextOf({ isQuorum, reason }: Beginning): string {
  if (!isQuorum)
    return 'Start the nodes that are missing: more than two thirds of the validators have to run. "store status" shows which answer.';
  return reason === undefined
    ? 'Wait a moment and run it again. If no block comes, the validators do not reach each other: look at their logs.'
    : 'Wait until the node has what it misses, and run it again; "store status" shows how the nodes are.';
}
