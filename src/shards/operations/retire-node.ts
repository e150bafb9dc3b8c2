// A node that wants to leave: no member after the next border, no validator as soon as churn allows. For good: its key is never taken again.
// Its bonds are untouched, each owner unbonds its own.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { unbondingKey } from '../bonds.ts';
import { earnedKey } from '../escrow.ts';
import { nodeKeyStateKey, nodeStateKey, operatorStateKey } from '../node.ts';
import { operatedNode } from '../node-access.ts';
import { nodeCountKey } from '../node-index.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { retire } from '../retirement.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';
import { contributorKey } from '../turns.ts';
import { validatorSetKey } from '../validator-sets.ts';

export interface RetireNode {
  readonly node: NodeId;
}

export const retireNode: SystemOperation<RetireNode> = systemOperation({
  kind: 'retire-node',
  tag: 18,
  schema: z.tuple([digestOf<NodeId>()]).transform(([node]) => ({ node })),
  tuple: ({ node }) => [node],
  touches: (from, { node }, block) => [
    parametersKey(),
    validatorSetKey(block.epoch),
    validatorSetKey(block.epoch + 1),
    contributorKey(node),
    unbondingKey(node),
    earnedKey(node),
    nodeKeyStateKey(node),
    nodeStateKey(node),
    operatorStateKey(from),
    nodeCountKey(),
  ],
  execute: ({ state, block }, { from, action }) => {
    const node = operatedNode(state, action.node, from);
    if (typeof node === 'string') return node;
    retire(state, parametersOf(state), node, block.epoch);
    return undefined;
  },
});
