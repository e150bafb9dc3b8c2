// Somebody puts tokens behind the node of another: they give it power, share its rewards, and are slashed with it.

import { equal } from '../../base/bytes.ts';
import { type Bonding, bondingOperation } from '../bonding.ts';
import { activeNode } from '../node-access.ts';
import type { SystemOperation } from '../system-operation.ts';

export const delegate: SystemOperation<Bonding> = bondingOperation('delegate', 21, (state, key, from) => {
  const node = activeNode(state, key);
  if (typeof node === 'string') return node;
  if (node.isTombstoned) return 'tombstoned';
  return node.acceptsDelegation || equal(node.operator, from) ? node : 'not-the-operator';
});
