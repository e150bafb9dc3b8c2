import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { decodeCanonical, encode } from '../../src/base/codec.ts';
import {
  DEFAULT_PARAMETERS,
  type Parameters,
  parametersDigest,
  parametersProblem,
  parametersRecord,
  successionProblem,
} from '../../src/shards/parameters.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { TEST_PARAMETERS } from './stake-kit.ts';

const D = DEFAULT_PARAMETERS;
const bytesOf = (parameters: Parameters): Uint8Array => encode(parametersRecord.tuple(parameters));
const read = (bytes: Uint8Array): Parameters =>
  decodeCanonical(parametersRecord.schema, bytes, 4096, 'parameters');

/** One change each that makes sound parameters contradict themselves. */
const UNSOUND: Readonly<Record<string, Parameters>> = {
  'one block': { ...D, epochBlocks: 1 },
  'no time to vote': { ...D, proposalEpochs: 0 },
  'receipts that expire at once': { ...D, receiptLifetimeBlocks: 0 },
  'a flood of tokens': { ...D, rewardPerEpoch: 2n ** 60n + 1n },
  'validators without stake': { ...D, stake: { ...D.stake, validatorMin: 0n } },
  'nodes without stake': { ...D, stake: { ...D.stake, nodeMin: 0n } },
  'bonds of nothing': { ...D, stake: { ...D.stake, bondMin: 0n } },
  'a first bond that is none': { ...D, stake: { ...D.stake, bondMin: 2n } },
  'no validators': { ...D, stake: { ...D.stake, validatorsMax: 0 } },
  'no churn': { ...D, stake: { ...D.stake, churnPerMillion: 0 } },
  'no unbonding': { ...D, stake: { ...D.stake, unbondingEpochs: 0 } },
  'no evidence': { ...D, evidence: { ...D.evidence, ageBlocks: 0 } },
  'no time for evidence': { ...D, evidence: { ...D.evidence, ageMs: 0 } },
  'evidence older than unbonding': { ...D, evidence: { ...D.evidence, ageBlocks: 504 * 3600 + 1 } },
  'cheap attacks': { ...D, slashing: { ...D.slashing, attackPerMillion: 49_999 } },
  'jail for nothing': { ...D, slashing: { ...D.slashing, missedMin: 0 } },
  'jail without time': { ...D, slashing: { ...D.slashing, jailEpochs: 0 } },
  'no assets': { ...D, assets: [] },
  'native capacity': { ...D, assets: [{ name: 'native', weight: 1n, isCapacity: true }] },
  'a native token without weight': { ...D, assets: [{ name: 'native', weight: 0n, isCapacity: false }] },
  'a heavy asset': { ...D, assets: [...D.assets, { name: 'lead', weight: 65_537n, isCapacity: false }] },
  'two capacities': { ...D, assets: [...D.assets, { name: 'more', weight: 1n, isCapacity: true }] },
  'two of a name': { ...D, assets: [...D.assets, { name: 'native', weight: 1n, isCapacity: false }] },
  'bounds of shards crossed': { ...D, sharding: { ...D.sharding, bitsMin: 5 } },
  'splits of idle shards': { ...D, sharding: { ...D.sharding, splitLoad: 0, mergeLoad: 0 } },
  'shards that flap': { ...D, sharding: { ...D.sharding, splitLoad: 4, mergeLoad: 2 } },
  'empty shards': { ...D, storage: { ...D.storage, shardMembersMin: 0 } },
  'a share of 1/0': { ...D, storage: { ...D.storage, operatorShareDivisor: 0 } },
  'no time to propose': { ...D, timeouts: { ...D.timeouts, proposeMs: 0 } },
  'a price of everything': { ...D, prices: { ...D.prices, perGib: 2n ** 60n + 1n } },
  'paid epochs without time': { ...D, prices: { ...D.prices, epochMs: 0 } },
  'disputes that nobody can pay': { ...D, audit: { ...D.audit, disputeBond: 2n ** 60n + 1n } },
  'time-outs that stay': { ...D, timeouts: { ...D.timeouts, voteGrowthMs: 0 } },
};

describe('parameters', () => {
  test('by default, and in tests, make sense', () => {
    expect(parametersProblem(DEFAULT_PARAMETERS)).toBe(undefined);
    expect(parametersProblem(TEST_PARAMETERS)).toBe(undefined);
  });

  test.each(Object.entries(UNSOUND))('with %s are refused, in memory and as bytes', (_name, parameters) => {
    expect(parametersProblem(parameters)).toBeTypeOf('string');
    expectCode('INVALID_ENCODING', () => read(bytesOf(parameters)));
  });

  test('each is refused for a reason of its own', () => {
    const problems = Object.values(UNSOUND).map(parametersProblem);
    expect(new Set(problems).size).toBeGreaterThanOrEqual(23);
  });

  test('come back from their bytes', () => {
    expect(read(bytesOf(DEFAULT_PARAMETERS))).toEqual(DEFAULT_PARAMETERS);
    expect(read(bytesOf(TEST_PARAMETERS))).toEqual(TEST_PARAMETERS);
  });

  test('stay as they were frozen', () => {
    const file = new URL('../vectors/stake-records.json', import.meta.url);
    const frozen = JSON.parse(readFileSync(file, 'utf8')) as {
      parameters: { bytes: string; digest: string };
    };
    expect(toHex(bytesOf(DEFAULT_PARAMETERS))).toBe(frozen.parameters.bytes);
    expect(toHex(parametersDigest(DEFAULT_PARAMETERS))).toBe(frozen.parameters.digest);
  });

  test('follow on others when every asset stays where it is; weights may change and assets may come', () => {
    const [native, capacity] = D.assets as readonly [Parameters['assets'][0], Parameters['assets'][0]];
    const withAssets = (assets: Parameters['assets']): Parameters => ({ ...D, assets });
    const next = withAssets([
      { ...native, weight: 5n },
      capacity,
      { name: 'new', weight: 1n, isCapacity: false },
    ]);
    expect(successionProblem(D, next)).toBe(undefined);
    for (const assets of [
      [native],
      [native, { ...capacity, name: 'other' }],
      [native, { ...capacity, isCapacity: false }],
    ]) {
      expect(successionProblem(D, withAssets(assets))).toBeTypeOf('string');
    }
  });
});
