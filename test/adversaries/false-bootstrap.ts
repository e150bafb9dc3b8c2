// A bootstrap node that tells lies about where the members are, or nonsense.

import { encodeMembersReply, SERVICES } from '../../src/replication/messages.ts';
import type { MemoryNode } from '../../src/runtime/memory-network.ts';

/** Answers `members` with these node records. */
export function saysMembers(node: MemoryNode, nodeRecords: readonly Uint8Array[]): void {
  answers(node, encodeMembersReply({ nodeRecords }));
}

/** Answers `members` with bytes that are no reply. */
export function saysNonsense(node: MemoryNode): void {
  answers(node, new Uint8Array([1, 2, 3]));
}

/** Answers `members` with these bytes. */
export function answers(node: MemoryNode, body: Uint8Array): void {
  node.faults.lie = (service, reply) => (service === SERVICES.members ? { ...reply, body } : reply);
}
