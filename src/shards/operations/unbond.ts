// An owner wants stake back. It waits for the next border, which lets it go within the churn cap; the unbonding time runs from the end of the
// last epoch whose validators it may back; then `withdraw` takes it out. Liable until then.

import { z } from 'zod';
import { bigUint, digestOf, uint } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { ASSETS_MAX } from '../../base/limits.ts';
import type { AssetIndex } from '../amounts.ts';
import { bondsKey, startUnbonding, unbondingKey } from '../bonds.ts';
import { nodeKeyStateKey, nodeOf, nodeStateKey, nodeWithKey } from '../node.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { releaseIfPowerless } from '../retirement.ts';
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
  execute: ({ state, block }, { from, action }) => {
    const node = nodeWithKey(state, action.node);
    if (node === undefined) return 'no-such-node';
    const parameters = parametersOf(state);
    const refusal = startUnbonding(state, parameters, node, from, action.asset, action.amount);
    if (refusal !== undefined) return refusal;
    releaseIfPowerless(state, parameters, nodeOf(state, node.registration)!, block.epoch);
    return undefined;
  },
});
