// An operator says something else about its node: capacity, failure domains, whether it votes and takes delegations. Members and validators
// show it from the next border on.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  type NodeData,
  nodeDataSchema,
  nodeDataTuple,
  nodeKeyStateKey,
  nodeStateKey,
  putNode,
} from '../node.ts';
import { operatedNode } from '../node-access.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface ChangeNode {
  readonly node: NodeId;
  readonly data: NodeData;
}

export const changeNode: SystemOperation<ChangeNode> = systemOperation({
  kind: 'change-node',
  tag: 19,
  schema: z.tuple([digestOf<NodeId>(), nodeDataSchema]).transform(([node, data]) => ({ node, data })),
  tuple: ({ node, data }) => [node, nodeDataTuple(data)],
  touches: (_from, { node }) => [nodeKeyStateKey(node), nodeStateKey(node)],
  execute: ({ state }, { from, action }) => {
    const node = operatedNode(state, action.node, from);
    if (typeof node === 'string') return node;
    putNode(state, { ...node, ...action.data });
    return undefined;
  },
});
