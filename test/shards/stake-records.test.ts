// Bytes of the records of stake and epochs: what is in the state of a network must be read the same for ever.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { decodeCanonical, encode } from '../../src/base/codec.ts';
import type { Epoch, NodeId, OwnerId, Stake } from '../../src/base/ids.ts';
import {
  ASSETS_MAX,
  BONDERS_MAX,
  DOMAIN_LABELS_MAX,
  EPOCHS_KEPT_MAX,
  MEMBERS_PER_PAGE,
  NODE_INDEX_PAGE,
  PROPOSALS_MAX,
  SLASHES_KEPT_MAX,
  STATE_RECORD_LENGTH_MAX,
  UNBONDINGS_PER_OWNER_MAX,
  VALIDATORS_MAX,
} from '../../src/base/limits.ts';
import { bondsRecord, unbondingRecord } from '../../src/shards/bonds.ts';
import { checkpointDigest, decodeCheckpoint, encodeCheckpoint } from '../../src/shards/checkpoint.ts';
import { epochStateRecord } from '../../src/shards/epoch-state.ts';
import { proposalsRecord } from '../../src/shards/governance.ts';
import { memberPageRecord, operatorIdOf } from '../../src/shards/members.ts';
import { DEFAULT_PARAMETERS, parametersDigest } from '../../src/shards/parameters.ts';
import { slashesRecord } from '../../src/shards/slashing.ts';
import { validatorSetRecord } from '../../src/shards/validator-sets.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';
import { STAKE_RECORDS } from './stake-records.ts';

const frozen = JSON.parse(
  readFileSync(new URL('../vectors/stake-records.json', import.meta.url), 'utf8'),
) as {
  records: Record<string, string>;
  parameters: { bytes: string; digest: string };
  checkpoint: { bytes: string; digest: string };
};

const checkpoint = {
  network: digestFrom<NetworkId>('network'),
  epoch: 8 as Epoch,
  height: 28_800,
  blockId: digestFrom('block'),
  stateRoot: digestFrom('state'),
  setDigest: digestFrom('set'),
  nextSetDigest: digestFrom('next set'),
};

describe.each(STAKE_RECORDS.map((sample) => [sample.type.name, sample] as const))(
  '%s',
  (name, { type, value }) => {
    const bytes = encode(type.tuple(value));

    test('comes back from its bytes', () => {
      expect(decodeCanonical(type.schema, bytes, STATE_RECORD_LENGTH_MAX, name)).toEqual(value);
    });

    test('stays as it was frozen', () => {
      expect(toHex(bytes)).toBe(frozen.records[name]);
    });

    test('is refused with a byte less, a byte more or another shape', () => {
      const read = (changed: Uint8Array) =>
        decodeCanonical(type.schema, changed, STATE_RECORD_LENGTH_MAX, name);
      expectCode('INVALID_ENCODING', () => read(bytes.subarray(0, -1)));
      expectCode('INVALID_ENCODING', () => read(new Uint8Array([...bytes, 0])));
      expectCode('INVALID_ENCODING', () => read(encode([...type.tuple(value), 0])));
      expectCode('INVALID_ENCODING', () => read(encode([])));
    });
  },
);

test('there is a frozen vector of each kind, and no other', () => {
  expect(Object.keys(frozen.records).sort()).toEqual(STAKE_RECORDS.map(({ type }) => type.name).sort());
  expect(toHex(parametersDigest(DEFAULT_PARAMETERS))).toBe(frozen.parameters.digest);
});

describe('a checkpoint', () => {
  test('comes back from its bytes, as they were frozen', () => {
    const bytes = encodeCheckpoint(checkpoint);
    expect(decodeCheckpoint(bytes)).toEqual(checkpoint);
    expect(toHex(bytes)).toBe(frozen.checkpoint.bytes);
    expect(toHex(checkpointDigest(checkpoint))).toBe(frozen.checkpoint.digest);
  });

  test('is refused when it is cut or goes on', () => {
    const bytes = encodeCheckpoint(checkpoint);
    expectCode('INVALID_ENCODING', () => decodeCheckpoint(bytes.subarray(1)));
    expectCode('INVALID_ENCODING', () => decodeCheckpoint(new Uint8Array([...bytes, 0])));
    expectCode('INVALID_ENCODING', () => decodeCheckpoint(new Uint8Array(2000)));
  });
});

// ---- Bounds ------------------------------------------------------------------------------------------------------

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const big = 2n ** 60n;
const owner = (index: number) => digestFrom<OwnerId>(`owner ${index % 7}`);
const key = digestFrom<NodeId>('key');
const label = 'x'.repeat(64);
const late = (2 ** 40) as Epoch;

const LARGEST: Readonly<Record<string, readonly unknown[]>> = {
  bonds: bondsRecord.tuple(
    many(BONDERS_MAX + 1, (index) => ({
      owner: owner(index),
      amounts: many(ASSETS_MAX, (asset) => [asset, big] as const),
    })),
  ),
  unbonding: unbondingRecord.tuple(
    many((BONDERS_MAX + 1) * UNBONDINGS_PER_OWNER_MAX, (index) => ({
      owner: owner(index),
      asset: 7,
      amount: big,
      lastEpoch: late,
    })),
  ),
  'epoch state': epochStateRecord.tuple({
    epoch: late,
    lengthBlocks: 86_400,
    seed: digestFrom('seed'),
    shardBits: 8,
    mode: 'endorsed',
    membersDigest: digestFrom('members'),
    previousDigest: digestFrom('members before'),
    memberCount: 4096,
    starts: many(EPOCHS_KEPT_MAX, () => ({ height: 2 ** 48, timeMs: 2 ** 48 })),
  }),
  'validator set': validatorSetRecord.tuple(
    many(VALIDATORS_MAX, (index) => ({ node: key, power: big, registration: key, operator: owner(index) })),
  ),
  'recent slashes': slashesRecord.tuple(
    many(SLASHES_KEPT_MAX, () => ({ epoch: late, registration: key, sharePerMillion: 1_000_000 })),
  ),
  proposals: proposalsRecord.tuple(
    many(PROPOSALS_MAX, (index) => ({
      id: digestFrom('id'),
      proposer: owner(index),
      parameters: {
        ...DEFAULT_PARAMETERS,
        assets: many(ASSETS_MAX, () => ({ name: label, weight: 65_536n, isCapacity: false })),
      },
      lastEpoch: late,
      votes: many(VALIDATORS_MAX, owner),
    })),
  ),
  'members page': memberPageRecord.tuple(
    many(MEMBERS_PER_PAGE, (index) => ({
      node: key,
      operator: operatorIdOf(owner(index)),
      stake: big as Stake,
      capacityBytes: 2 ** 53 - 1,
      admissionSeed: digestFrom('admission'),
      domains: many(DOMAIN_LABELS_MAX, () => [label, label] as const),
    })),
  ),
  'node index page': [many(NODE_INDEX_PAGE, () => key)],
};

test.each(Object.entries(LARGEST))('the largest record of %s fits the state', (_name, tuple) => {
  expect(encode(tuple).length).toBeLessThanOrEqual(STATE_RECORD_LENGTH_MAX);
});
