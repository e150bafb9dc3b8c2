// A node leaves the index and its operator's list. What is bonded stays its owners', and liable as before.

import { assert } from '../base/assert.ts';
import { forgetAtOperator, nodeOf, type NodeRecord, putNode } from './node.ts';
import { leavePlace } from './node-index.ts';
import type { Overlay } from './view.ts';

export function retire(state: Overlay, node: NodeRecord): void {
  assert(!node.isRetired, 'a node retires once');
  leavePlace(state, node);
  const left = nodeOf(state, node.registration)!;
  putNode(state, { ...left, isRetired: true });
  forgetAtOperator(state, left);
}
