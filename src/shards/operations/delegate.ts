// Somebody puts tokens behind the node of another: they give it power, share its rewards, and are slashed with it.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { digestOf } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { type Amounts, amountsSchema } from '../amounts.ts';
import { addBond, bondsKey, unbondingKey } from '../bonds.ts';
import { nodeKeyStateKey, nodeStateKey } from '../node.ts';
import { activeNode } from '../node-access.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface Delegate {
  readonly node: NodeId;
  readonly amounts: Amounts;
}

export const delegate: SystemOperation<Delegate> = systemOperation({
  kind: 'delegate',
  tag: 21,
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
    const node = activeNode(state, action.node);
    if (typeof node === 'string') return node;
    if (node.isTombstoned) return 'tombstoned';
    if (!node.acceptsDelegation && !equal(node.operator, from)) return 'not-the-operator';
    return addBond(state, parametersOf(state), node, from, message.value);
  },
});
