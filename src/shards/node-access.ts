// Who may do something to a node: the same questions before each operation on one.

import { equal } from '../base/bytes.ts';
import type { NodeId, OwnerId } from '../base/ids.ts';
import { type NodeRecord, nodeWithKey } from './node.ts';
import type { RefusalCode } from './operation.ts';
import type { Overlay } from './view.ts';

/** The node with a key, now or once, unless it is retired. */
export function activeNode(state: Overlay, key: NodeId): NodeRecord | RefusalCode {
  const node = nodeWithKey(state, key);
  if (node === undefined) return 'no-such-node';
  return node.isRetired ? 'too-late' : node;
}

/** The same for its operator alone. */
export function operatedNode(state: Overlay, key: NodeId, by: OwnerId): NodeRecord | RefusalCode {
  const node = activeNode(state, key);
  if (typeof node !== 'string' && !equal(node.operator, by)) return 'not-the-operator';
  return node;
}
