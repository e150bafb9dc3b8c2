// What this node says about itself: where it can be reached and which shards it serves, signed, renewed long before it
// expires, and said again when something changed. A node that is no member says nothing: nobody would believe it.

import { equal } from '../base/bytes.ts';
import { encode } from '../base/codec.ts';
import type { NodeId, ShardId } from '../base/ids.ts';
import {
  ANNOUNCE_DELAY_MS,
  ANNOUNCE_INTERVAL_MS,
  DHT_RECORD_LIFETIME_MS,
  SHARD_DRAWS_MAX,
} from '../base/limits.ts';
import type { Clock, Gossip, NodeAddresses, Signer } from '../base/ports.ts';
import type { NodeDirectory } from '../dht/directory.ts';
import { type NodeRecord, signRecord } from '../dht/record.ts';
import { shardMembers } from '../replication/placement.ts';
import type { AddressBook } from './address-book.ts';
import type { Membership } from './membership.ts';

export interface AnnouncerPorts {
  readonly clock: Clock;
  readonly signer: Signer;
  readonly membership: Membership;
  readonly book: AddressBook;
  readonly gossip: Gossip;
  readonly directory?: Pick<NodeDirectory, 'maintain' | 'refresh'> | undefined;
}

export interface Announcer {
  /** The signed node record in force, renewed when it has to be; empty when this node is no member. */
  ownRecord(): Uint8Array;
  /** Says everything again: a neighbour came back, or membership changed. */
  announce(): void;
  /** Shards that this node serves by the record in force; undefined when there are too many to draw. */
  shards(): readonly ShardId[] | undefined;
  stop(): void;
}

/** Topic of node records on the gossip network. */
export const NODES_TOPIC = 'nodes';

export function createAnnouncer(ports: AnnouncerPorts, addressesOf: () => NodeAddresses): Announcer {
  const { clock, signer, membership, book, gossip } = ports;
  const node = signer.publicKey as NodeId;
  let own: { readonly record: NodeRecord; readonly bytes: Uint8Array } | undefined;
  let endings: (() => void)[] = [];
  let maintainedEpoch = -1;
  let saidAtMs = Number.NEGATIVE_INFINITY;
  let cancel: (() => void) | undefined;
  let isStopped = false;

  function nodeRecord(sequence: number, expiresAtMs: number): NodeRecord {
    const addresses = addressesOf();
    return { kind: 'node', network: membership.network, node, sequence, expiresAtMs, addresses };
  }

  function ownRecord(): Uint8Array {
    if (membership.member(node) === undefined) return new Uint8Array(0);
    const nowMs = clock.now();
    if (own === undefined || !isFresh(own.record, addressesOf(), nowMs)) {
      // Above the last one even when the wall clock was set back.
      const sequence = Math.max(nowMs, (book.find(node)?.sequence ?? 0) + 1);
      const record = nodeRecord(sequence, nowMs + DHT_RECORD_LIFETIME_MS);
      own = { record, bytes: signRecord(record, signer) };
      void book.learn(own.bytes).catch(() => false);
      announce();
    }
    return own.bytes;
  }

  function shards(): readonly ShardId[] | undefined {
    const record = membership.current();
    const count = 2 ** record.params.shardBits;
    if (count * record.members.length > SHARD_DRAWS_MAX) return undefined;
    return Array.from({ length: count }, (_, shard) => shard as ShardId).filter((shard) =>
      shardMembers(record, shard).some((member) => equal(member.node, node)),
    );
  }

  /** Keeps node and shard records in the DHT; begun anew with each epoch, because shard records name it. */
  function maintain(): void {
    const { epoch } = membership.current();
    if (ports.directory === undefined || epoch === maintainedEpoch) return;
    maintainedEpoch = epoch;
    for (const end of endings) end();
    endings = [];
    if (membership.member(node) === undefined) return;
    endings.push(ports.directory.maintain((sequence, expiresAtMs) => nodeRecord(sequence, expiresAtMs)));
    for (const shard of shards() ?? []) {
      const { network } = membership;
      endings.push(
        ports.directory.maintain((sequence, expiresAtMs) => ({
          kind: 'shard',
          network,
          node,
          sequence,
          expiresAtMs,
          shard,
          epoch,
        })),
      );
    }
  }

  /** Several reasons within a moment make one announcement: when a network starts, neighbours come up one after the other. */
  function announce(): void {
    if (isStopped) return;
    const delayMs = Math.max(ANNOUNCE_DELAY_MS, saidAtMs + ANNOUNCE_INTERVAL_MS - clock.monotonic());
    cancel ??= clock.timer(delayMs, () => {
      cancel = undefined;
      saidAtMs = clock.monotonic();
      const bytes = ownRecord();
      if (bytes.length > 0) void gossip.publish(NODES_TOPIC, bytes).catch(() => undefined);
      maintain();
      ports.directory?.refresh();
    });
  }

  return {
    ownRecord,
    announce,
    shards,
    stop() {
      isStopped = true;
      cancel?.();
      for (const end of endings) end();
    },
  };
}

/** Half of a record's life is left, and it says where the node is now. */
function isFresh(record: NodeRecord, addresses: NodeAddresses, nowMs: number): boolean {
  const isYoung = record.expiresAtMs - nowMs > DHT_RECORD_LIFETIME_MS / 2;
  const said = encode([record.addresses.control, record.addresses.bulk]);
  return isYoung && equal(said, encode([addresses.control, addresses.bulk]));
}
