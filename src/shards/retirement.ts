// A node leaves the index and its operator's list. What is bonded stays its owners', and liable as before. A border visits the nodes of the
// index and those of the next set: who is in neither has no power to come, so what waits there is let go at once.

import { assert } from '../base/assert.ts';
import { equal } from '../base/bytes.ts';
import type { Epoch } from '../base/ids.ts';
import { releaseWaiting } from './bonds.ts';
import { forgetEarned } from './escrow.ts';
import { forgetAtOperator, nodeOf, type NodeRecord, putNode } from './node.ts';
import { leavePlace } from './node-index.ts';
import type { Parameters } from './parameters.ts';
import { forgetStanding } from './standing.ts';
import { forgetContributor } from './turns.ts';
import { settledEntries } from './validator-sets.ts';
import type { Overlay } from './view.ts';

/** In `epoch`, for good. */
export function retire(state: Overlay, parameters: Parameters, node: NodeRecord, epoch: Epoch): void {
  assert(!node.isRetired, 'a node retires once');
  leavePlace(state, node);
  const left: NodeRecord = { ...nodeOf(state, node.registration)!, isRetired: true };
  putNode(state, left);
  forgetAtOperator(state, left);
  forgetStanding(state, left.registration);
  forgetEarned(state, left.registration);
  forgetIdleChain(state, left, epoch);
  releaseIfPowerless(state, parameters, left, epoch);
}

/** After stake of a retired node began to wait: no border will come for it unless the node has power in the next epoch. */
export function releaseIfPowerless(
  state: Overlay,
  parameters: Parameters,
  node: NodeRecord,
  epoch: Epoch,
): void {
  if (!node.isRetired || node.waiting.length === 0) return;
  const next = settledEntries(state, epoch + 1);
  if (next.some(({ registration }) => equal(registration, node.registration))) return;
  releaseWaiting(state, parameters, node, 0n, (epoch + 1) as Epoch);
}

/** A key that is given up takes its chain of reveals along, unless it will still propose: then a border does it later. */
export function forgetIdleChain(state: Overlay, { key }: NodeRecord, epoch: Epoch): void {
  const proposing = [epoch, epoch + 1].flatMap((each) => settledEntries(state, each));
  if (!proposing.some(({ node }) => equal(node, key))) forgetContributor(state, key);
}
