// An operator puts more of its tokens behind its own node.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { type Amounts, amountsSchema } from '../amounts.ts';
import { addBond, bondsKey, unbondingKey } from '../bonds.ts';
import { nodeKeyStateKey, nodeStateKey } from '../node.ts';
import { operatedNode } from '../node-access.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface BondStake {
  readonly node: NodeId;
  readonly amounts: Amounts;
}

export const bond: SystemOperation<BondStake> = systemOperation({
  kind: 'bond',
  tag: 20,
  schema: z.tuple([digestOf<NodeId>(), amountsSchema]).transform(([node, amounts]) => ({ node, amounts })),
  tuple: ({ node, amounts }) => [node, amounts],
  value: ({ amounts }) => amounts,
  touches: (_from, { node }) => [
    parametersKey(),
    nodeKeyStateKey(node),
    nodeStateKey(node),
    bondsKey(node),
    unbondingKey(node),
  ],
  execute: ({ state, message }, { from, action }) => {
    const node = operatedNode(state, action.node, from);
    if (typeof node === 'string') return node;
    if (node.isTombstoned) return 'tombstoned';
    return addBond(state, parametersOf(state), node, from, message.value);
  },
});
