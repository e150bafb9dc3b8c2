// Records and identities for the tests of the DHT.

import { portableSigner, portableVerify } from '../../src/base/keys.ts';
import type { Digest, Epoch, NetworkId, NodeId, ShardId } from '../../src/base/ids.ts';
import type { Signer } from '../../src/base/ports.ts';
import type { DhtRecord, NodeRecord, ObjectRecord, RecordRules, ShardRecord } from '../../src/dht/record.ts';

const NETWORK = new Uint8Array(32).fill(0x11) as NetworkId;
export const NOW_MS = 1_800_000_000_000;
export const HOUR_MS = 3_600_000;

export function signerOf(tag: number): Signer {
  return portableSigner(new Uint8Array(32).fill(tag));
}

export const RULES: RecordRules = { network: NETWORK, verify: portableVerify, isMember: () => true };

function stamp(signer: Signer) {
  return {
    network: NETWORK,
    node: signer.publicKey as NodeId,
    sequence: 7,
    expiresAtMs: NOW_MS + HOUR_MS,
  };
}

export function nodeRecord(signer: Signer, changes: Partial<NodeRecord> = {}): NodeRecord {
  const addresses = { control: ['/ip4/10.0.0.2/tcp/4001'], bulk: ['/ip4/10.0.0.2/tcp/4002/tls'] };
  return { kind: 'node', ...stamp(signer), addresses, ...changes };
}

export function shardRecord(signer: Signer, changes: Partial<ShardRecord> = {}): ShardRecord {
  return { kind: 'shard', ...stamp(signer), shard: 5 as ShardId, epoch: 3 as Epoch, ...changes };
}

export function objectRecord(signer: Signer, changes: Partial<ObjectRecord> = {}): ObjectRecord {
  return { kind: 'object', ...stamp(signer), object: new Uint8Array(32).fill(0x22) as Digest, ...changes };
}

export function everyKind(signer: Signer): DhtRecord[] {
  return [nodeRecord(signer), shardRecord(signer), objectRecord(signer)];
}
