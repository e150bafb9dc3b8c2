// What the two ways of putting tokens behind a node share: form, records and effect. Who may, each says for itself.

import { z } from 'zod';
import { digestOf } from '../base/codec.ts';
import type { NodeId, OwnerId } from '../base/ids.ts';
import { type Amounts, amountsSchema } from './amounts.ts';
import { addBond, bondsKey, unbondingKey } from './bonds.ts';
import { type NodeRecord, nodeKeyStateKey, nodeStateKey } from './node.ts';
import type { RefusalCode } from './operation.ts';
import { parametersKey, parametersOf } from './parameters.ts';
import { systemOperation, type SystemOperation } from './system-operation.ts';
import type { Overlay } from './view.ts';

export interface Bonding {
  readonly node: NodeId;
  readonly amounts: Amounts;
}

/** `nodeFor`: the node that takes tokens of `from`, or why it does not. */
export function bondingOperation(
  kind: string,
  tag: number,
  nodeFor: (state: Overlay, node: NodeId, from: OwnerId) => NodeRecord | RefusalCode,
): SystemOperation<Bonding> {
  return systemOperation({
    kind,
    tag,
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
      const node = nodeFor(state, action.node, from);
      if (typeof node === 'string') return node;
      return addBond(state, parametersOf(state), node, from, message.value);
    },
  });
}
