// A bootstrap node that tells lies about the network: an old epoch, one of another network, or nonsense.

import { encodeEpoch, type SignedEpoch } from '../../src/base/epoch.ts';
import { encodeMembersReply, SERVICES } from '../../src/replication/messages.ts';
import type { MemoryNode } from '../../src/runtime/memory-network.ts';

/** Answers `members` with this record and these node records. */
export function saysMembers(
  node: MemoryNode,
  epoch: SignedEpoch,
  nodeRecords: readonly Uint8Array[] = [],
): void {
  answers(node, encodeMembersReply({ epoch: encodeEpoch(epoch), nodeRecords }));
}

/** Answers `members` with bytes that are no reply. */
export function saysNonsense(node: MemoryNode): void {
  answers(node, new Uint8Array([1, 2, 3]));
}

/** Wraps the honest answer: keeps the epoch, replaces what it says of addresses. */
export function answers(node: MemoryNode, body: Uint8Array): void {
  node.faults.lie = (service, reply) => (service === SERVICES.members ? { ...reply, body } : reply);
}
