// Deterministic sample records for tests: the same index always gives the same id.

import { sha256 } from '@noble/hashes/sha2.js';
import { toUtf8 } from '../../src/base/bytes.ts';
import { type EpochRecord, type Genesis, type Member, networkIdOf } from '../../src/base/epoch.ts';
import type { Digest, Epoch, NodeId, OperatorId, Stake } from '../../src/base/ids.ts';
import { portableSigner } from '../../src/base/keys.ts';
import { DEFAULT_PARAMS, type NetworkParams } from '../../src/base/params.ts';
import type { Signer } from '../../src/base/ports.ts';

/** 32 bytes named by a text. */
export function digestFrom<T extends Uint8Array = Digest>(name: string): T {
  return sha256(toUtf8(name)) as T;
}

export function signerFrom(name: string): Signer {
  return portableSigner(digestFrom(`seed of ${name}`));
}

export function sampleGenesis(name = 'sample'): Genesis {
  return {
    name,
    genesisKey: signerFrom(`genesis of ${name}`).publicKey,
    createdAtMs: 1_750_000_000_000,
    nonce: digestFrom('nonce').subarray(0, 16),
  };
}

export function sampleMember(index: number, overrides: Partial<Member> = {}): Member {
  return {
    node: signerFrom(`node ${index}`).publicKey as NodeId,
    operator: `operator-${index}` as OperatorId,
    stake: 100n as Stake,
    capacityBytes: 2 ** 40,
    admissionSeed: digestFrom(`admission ${index}`),
    domains: [],
    ...overrides,
  };
}

export function sampleEpoch(members: readonly Member[], params: Partial<NetworkParams> = {}): EpochRecord {
  return {
    network: networkIdOf(sampleGenesis()),
    epoch: 0 as Epoch,
    previous: new Uint8Array(32) as Digest,
    seed: digestFrom('epoch seed'),
    params: { ...DEFAULT_PARAMS, ...params },
    members,
  };
}

export function sampleMembers(count: number, overrides: Partial<Member> = {}): Member[] {
  return Array.from({ length: count }, (_, index) => sampleMember(index, overrides));
}
