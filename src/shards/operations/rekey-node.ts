// Another key for a node: it votes with it from the first set that is frozen after this on; sets that are frozen already keep the old one. All
// that hangs on the node stays: bonds, jail, counters, offences. Once an epoch, since no key is ever forgotten.

import { z } from 'zod';
import { bytesOf, digestOf } from '../../base/codec.ts';
import type { NodeId, Signature } from '../../base/ids.ts';
import { isKeyProven } from '../key-proof.ts';
import { isKeyTaken, nodeKeyStateKey, nodeStateKey, putNode, takeKey } from '../node.ts';
import { operatedNode } from '../node-access.ts';
import { forgetIdleChain } from '../retirement.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';
import { contributorKey } from '../turns.ts';
import { validatorSetKey } from '../validator-sets.ts';

export interface RekeyNode {
  /** Any key the node has or had. */
  readonly node: NodeId;
  readonly key: NodeId;
  /** `proveKey` by the new key. */
  readonly proof: Signature;
}

export const rekeyNode: SystemOperation<RekeyNode> = systemOperation({
  kind: 'rekey-node',
  tag: 17,
  schema: z
    .tuple([digestOf<NodeId>(), digestOf<NodeId>(), bytesOf(64)])
    .transform(([node, key, proof]) => ({ node, key, proof: proof as Signature })),
  tuple: ({ node, key, proof }) => [node, key, proof],
  check: ({ block, sender }, { key, proof }) =>
    isKeyProven(block.network, sender, key, proof, block.verify) ? undefined : 'invalid-argument',
  touches: (_from, { node, key }, { epoch }) => [
    nodeKeyStateKey(node),
    nodeStateKey(node),
    nodeKeyStateKey(key),
    contributorKey(node),
    validatorSetKey(epoch),
    validatorSetKey(epoch + 1),
  ],
  execute: ({ state, block }, { from, action }) => {
    const found = operatedNode(state, action.node, from);
    if (typeof found === 'string') return found;
    if (found.isTombstoned) return 'tombstoned';
    if (found.keyedEpoch === block.epoch) return 'too-early';
    if (isKeyTaken(state, action.key)) return 'already-exists';
    takeKey(state, action.key, found.registration);
    forgetIdleChain(state, found, block.epoch);
    putNode(state, { ...found, key: action.key, keyedEpoch: block.epoch });
    return undefined;
  },
});
