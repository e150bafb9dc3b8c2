// The epoch record in force at this node: the one that its own copy of the chain says, and from a start until that has been asked, the
// last one that it said. It is durable before anything acts on it, so that a restart never takes membership back.
//
// Invariants: the epoch number never falls; no peer has a say in it.

import { toUtf8 } from '../base/bytes.ts';
import {
  decodeEpochRecord,
  encodeEpochRecord,
  type EpochRecord,
  findMember,
  type Member,
} from '../base/epoch.ts';
import type { NetworkId, NodeId } from '../base/ids.ts';
import type { KeyValue } from '../base/ports.ts';

/** Where the record in force is kept. */
const EPOCH_KEY: Uint8Array = toUtf8('membership/epoch');

export interface MembershipPorts {
  readonly keyValue: KeyValue;
}

export interface Membership {
  readonly network: NetworkId;
  /** The record in force. */
  current(): EpochRecord;
  member(node: NodeId): Member | undefined;
  /** Puts a record that the chain says in force if it is newer; true when it is now. Throws DISK. */
  adopt(record: EpochRecord): Promise<boolean>;
  /** Calls `listener` after each change; the returned function ends that. */
  onChange(listener: (record: EpochRecord) => void): () => void;
}

/**
 * Membership as it was left, or `first`, which the network began with, where nothing was left. Throws WRONG_NETWORK when the state belongs to
 * another network than `first`, and INVALID_ENCODING, DAMAGED.
 */
export async function openMembership(ports: MembershipPorts, first: EpochRecord): Promise<Membership> {
  const kept = await ports.keyValue.get(EPOCH_KEY);
  const left = kept === undefined ? undefined : decodeEpochRecord(kept, first.network);
  if (left !== undefined && left.epoch >= first.epoch) return createMembership(ports, left);
  await keep(ports, first);
  return createMembership(ports, first);
}

function createMembership(ports: MembershipPorts, first: EpochRecord): Membership {
  const listeners = new Set<(record: EpochRecord) => void>();
  let inForce = first;
  let turn: Promise<unknown> = Promise.resolve();

  async function adopt(record: EpochRecord): Promise<boolean> {
    if (record.epoch <= inForce.epoch) return false;
    await keep(ports, record);
    inForce = record;
    for (const listener of listeners) listener(record);
    return true;
  }

  return {
    network: first.network,
    current: () => inForce,
    member: (node) => findMember(inForce, node),
    adopt: (record) => {
      // One at a time: what is compared is what is replaced.
      const adopting = turn.then(() => adopt(record));
      turn = adopting.catch(() => undefined);
      return adopting;
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

async function keep(ports: MembershipPorts, record: EpochRecord): Promise<void> {
  const operation = { kind: 'put', key: EPOCH_KEY, value: encodeEpochRecord(record) } as const;
  await ports.keyValue.batch([operation], { isDurable: true });
}
