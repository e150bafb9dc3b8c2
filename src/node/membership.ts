// The epoch record in force at this node. Only a newer record of the same network, signed by its genesis key, replaces
// it, and it is durable before anything acts on it. So a restart, an old backup of a peer or a replayed announcement never
// takes membership back.
//
// Invariants: the epoch number never falls; a record that claims to be the direct successor names the record in force
// as its predecessor, so that two records of one epoch by the same key show up instead of splitting the network.

import { equal, short, toUtf8 } from '../base/bytes.ts';
import {
  decodeEpoch,
  encodeEpoch,
  epochDigest,
  findMember,
  type Member,
  type SignedEpoch,
  verifyEpoch,
} from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import type { NetworkId, NodeId } from '../base/ids.ts';
import type { KeyValue, Verify } from '../base/ports.ts';

/** Where the record in force is kept. */
const EPOCH_KEY: Uint8Array = toUtf8('membership/epoch');

export interface MembershipPorts {
  readonly keyValue: KeyValue;
  readonly verify: Verify;
  readonly sha256: Sha256;
}

export interface Membership {
  readonly network: NetworkId;
  /** The record in force. */
  current(): SignedEpoch;
  member(node: NodeId): Member | undefined;
  /**
   * Puts a record in force if it is newer; true when it is now. Throws WRONG_NETWORK, INVALID_ENCODING, INVALID_SIGNATURE,
   * INTEGRITY (it contradicts the record in force), DISK.
   */
  offer(bytes: Uint8Array): Promise<boolean>;
  /** Calls `listener` after each change; the returned function ends that. */
  onChange(listener: (signed: SignedEpoch) => void): () => void;
}

/**
 * Membership as it was left, or as `genesis` says when that is newer or nothing was left. Throws WRONG_NETWORK when the state
 * belongs to another network than `genesis`, and DAMAGED.
 */
export async function openMembership(ports: MembershipPorts, genesis: SignedEpoch): Promise<Membership> {
  const network = genesis.record.network;
  verifyEpoch(genesis, network, ports.verify);
  const kept = await ports.keyValue.get(EPOCH_KEY);
  const left = kept === undefined ? undefined : decodeEpoch(kept, network, ports.verify);
  if (left !== undefined && left.record.epoch >= genesis.record.epoch) return createMembership(ports, left);
  const membership = createMembership(ports, genesis);
  await keep(ports, genesis);
  return membership;
}

function createMembership(ports: MembershipPorts, first: SignedEpoch): Membership {
  const listeners = new Set<(signed: SignedEpoch) => void>();
  let inForce = first;
  let turn: Promise<unknown> = Promise.resolve();

  async function adopt(bytes: Uint8Array): Promise<boolean> {
    const offered = decodeEpoch(bytes, inForce.record.network, ports.verify);
    if (!replaces(offered, inForce, ports.sha256)) return false;
    await keep(ports, offered);
    inForce = offered;
    for (const listener of listeners) listener(offered);
    return true;
  }

  return {
    network: first.record.network,
    current: () => inForce,
    member: (node) => findMember(inForce.record, node),
    offer: (bytes) => {
      // One at a time: what is compared is what is replaced.
      const adopting = turn.then(() => adopt(bytes));
      turn = adopting.catch(() => undefined);
      return adopting;
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** True when `offered` is newer than `current`. Throws INTEGRITY when the two cannot belong to one history. */
export function replaces(offered: SignedEpoch, current: SignedEpoch, sha256: Sha256): boolean {
  const isSame = offered.record.epoch === current.record.epoch;
  const isNext = offered.record.epoch === current.record.epoch + 1;
  const digest = epochDigest(current.record, sha256);
  if (isSame && !equal(epochDigest(offered.record, sha256), digest)) {
    throw forked(offered, `differs from the one in force, ${short(digest)}`);
  }
  if (isNext && !equal(offered.record.previous, digest)) {
    throw forked(offered, `does not follow from the one in force, ${short(digest)}`);
  }
  return offered.record.epoch > current.record.epoch;
}

function forked(offered: SignedEpoch, how: string): StoreError {
  return new StoreError('INTEGRITY', `epoch record ${offered.record.epoch} ${how}`, {
    next: 'The genesis key signed two histories: ask the founder which one holds, and keep the key in one place.',
  });
}

async function keep(ports: MembershipPorts, signed: SignedEpoch): Promise<void> {
  const operation = { kind: 'put', key: EPOCH_KEY, value: encodeEpoch(signed) } as const;
  await ports.keyValue.batch([operation], { isDurable: true });
}
