// An owner wants stake back. It waits for the next border, which lets it go within the churn cap; the unbonding time runs from the end of the
// last epoch whose validators it may back; then `withdraw` takes it out. Liable until then.

import { z } from 'zod';
import { bigUint, digestOf, uint } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { ASSETS_MAX } from '../../base/limits.ts';
import type { AssetIndex } from '../amounts.ts';
import { bondsKey, startUnbonding, unbondingKey } from '../bonds.ts';
import { nodeKeyStateKey, nodeStateKey, nodeWithKey } from '../node.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface Unbond {
  readonly node: NodeId;
  readonly asset: AssetIndex;
  readonly amount: bigint;
}

export const unbond: SystemOperation<Unbond> = systemOperation({
  kind: 'unbond',
  tag: 22,
  schema: z
    .tuple([digestOf<NodeId>(), uint(ASSETS_MAX - 1), bigUint])
    .transform(([node, asset, amount]) => ({ node, asset, amount })),
  tuple: ({ node, asset, amount }) => [node, asset, amount],
  touches: (_from, { node }) => [
    parametersKey(),
    nodeKeyStateKey(node),
    nodeStateKey(node),
    bondsKey(node),
    unbondingKey(node),
  ],
  execute: ({ state }, { from, action }) => {
    const node = nodeWithKey(state, action.node);
    if (node === undefined) return 'no-such-node';
    return startUnbonding(state, parametersOf(state), node, from, action.asset, action.amount);
  },
});
