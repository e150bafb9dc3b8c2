// A node that was silent for so long that everything it held went to others is asked for nothing any more, so no audit can show that it is back. Its
// operator says so. A node that still holds something shows it instead: no word of its operator puts off that it counts as lost.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { operatedNode } from '../node-access.ts';
import { nodeKeyStateKey, nodeStateKey } from '../node.ts';
import { putStanding, standingKey, standingOf } from '../standing.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface ReturnNode {
  readonly node: NodeId;
}

export const returnNode: SystemOperation<ReturnNode> = systemOperation({
  kind: 'return-node',
  tag: 37,
  schema: z.tuple([digestOf<NodeId>()]).transform(([node]) => ({ node })),
  tuple: ({ node }) => [node],
  touches: (_from, { node }) => [nodeKeyStateKey(node), nodeStateKey(node), standingKey(node)],
  execute: ({ state }, { from, action }) => {
    const node = operatedNode(state, action.node, from);
    if (typeof node === 'string') return node;
    const standing = standingOf(state, node.registration);
    if (standing.silentRounds === 0 || standing.heldKib > 0) return 'condition-failed';
    putStanding(state, node.registration, { ...standing, silentRounds: 0 });
    return undefined;
  },
});
