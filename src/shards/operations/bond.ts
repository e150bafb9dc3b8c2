// An operator puts more of its tokens behind its own node.

import { type Bonding, bondingOperation } from '../bonding.ts';
import { operatedNode } from '../node-access.ts';
import type { SystemOperation } from '../system-operation.ts';

export const bond: SystemOperation<Bonding> = bondingOperation('bond', 20, (state, key, from) => {
  const node = operatedNode(state, key, from);
  if (typeof node === 'string') return node;
  return node.isTombstoned ? 'tombstoned' : node;
});
