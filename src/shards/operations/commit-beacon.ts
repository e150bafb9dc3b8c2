// The end of a chain of reveals for the node's key as it is now: in force from the next epoch on.

import { z } from 'zod';
import { digestOf, uint } from '../../base/codec.ts';
import type { Digest, NodeId } from '../../base/ids.ts';
import { BEACON_CHAIN_LENGTH_MAX } from '../../base/limits.ts';
import { commitChain } from '../../consensus/beacon.ts';
import { nodeKeyStateKey, nodeStateKey } from '../node.ts';
import { operatedNode } from '../node-access.ts';
import { contributorKey, contributorOf, putContributor } from '../turns.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface CommitBeacon {
  readonly node: NodeId;
  readonly tip: Digest;
  readonly remaining: number;
}

export const commitBeacon: SystemOperation<CommitBeacon> = systemOperation({
  kind: 'commit-beacon',
  tag: 25,
  schema: z
    .tuple([
      digestOf<NodeId>(),
      digestOf<Digest>(),
      uint(BEACON_CHAIN_LENGTH_MAX).refine((remaining) => remaining >= 1, 'an empty chain'),
    ])
    .transform(([node, tip, remaining]) => ({ node, tip, remaining })),
  tuple: ({ node, tip, remaining }) => [node, tip, remaining],
  touches: (_from, { node }) => [nodeKeyStateKey(node), nodeStateKey(node), contributorKey(node)],
  execute: ({ state, block }, { from, action }) => {
    const node = operatedNode(state, action.node, from);
    if (typeof node === 'string') return node;
    const { tip, remaining } = action;
    const before = contributorOf(state, node.key);
    putContributor(state, node.key, commitChain(before, { tip, remaining }, block.epoch));
    return undefined;
  },
});
