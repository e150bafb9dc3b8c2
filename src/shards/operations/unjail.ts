// An operator says that its node is back and fit to vote.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { nodeKeyStateKey, nodeStateKey, putNode } from '../node.ts';
import { operatedNode } from '../node-access.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface Unjail {
  readonly node: NodeId;
}

export const unjail: SystemOperation<Unjail> = systemOperation({
  kind: 'unjail',
  tag: 24,
  schema: z.tuple([digestOf<NodeId>()]).transform(([node]) => ({ node })),
  tuple: ({ node }) => [node],
  touches: (_from, { node }) => [nodeKeyStateKey(node), nodeStateKey(node)],
  execute: ({ state, block }, { from, action }) => {
    const node = operatedNode(state, action.node, from);
    if (typeof node === 'string') return node;
    if (node.isTombstoned) return 'tombstoned';
    if (!node.isJailed) return 'condition-failed';
    if (block.epoch < node.jailedUntil) return 'too-early';
    putNode(state, { ...node, isJailed: false });
    return undefined;
  },
});
