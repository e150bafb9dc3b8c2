// An owner takes out what has unbonded at a node: all that is free by now.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { digestOf } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { takeFree, unbondingKey, unbondingOf } from '../bonds.ts';
import { epochStateKey, epochStateOf, isFree } from '../epoch-state.ts';
import { nodeKeyStateKey, nodeStateKey, nodeWithKey } from '../node.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { pay, systemOperation, type SystemOperation } from '../system-operation.ts';

export interface Withdraw {
  readonly node: NodeId;
}

export const withdraw: SystemOperation<Withdraw> = systemOperation({
  kind: 'withdraw',
  tag: 23,
  schema: z.tuple([digestOf<NodeId>()]).transform(([node]) => ({ node })),
  tuple: ({ node }) => [node],
  touches: (_from, { node }) => [
    parametersKey(),
    epochStateKey(),
    nodeKeyStateKey(node),
    nodeStateKey(node),
    unbondingKey(node),
  ],
  execute: (context, { from, action }) => {
    const { state, block } = context;
    const node = nodeWithKey(state, action.node);
    if (node === undefined) return 'no-such-node';
    const queue = unbondingOf(state, node.registration);
    if (!queue.some(({ owner }) => equal(owner, from))) return 'insufficient-balance';
    const epochState = epochStateOf(state);
    const parameters = parametersOf(state);
    const free = takeFree(state, node, from, (last) => isFree(epochState, parameters, block, last));
    if (free.length === 0) return 'too-early';
    pay(context, from, free);
    return undefined;
  },
});
