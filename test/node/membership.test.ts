import { describe, expect, test } from 'vitest';
import {
  encodeEpoch,
  epochDigest,
  type EpochRecord,
  networkIdOf,
  signEpoch,
  type SignedEpoch,
} from '../../src/base/epoch.ts';
import type { Epoch, Stake } from '../../src/base/ids.ts';
import { openMembership } from '../../src/node/membership.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { digestFrom, sampleEpoch, sampleGenesis, sampleMembers, signerFrom } from '../helpers/records.ts';

const genesis = sampleGenesis();
const genesisSigner = signerFrom('genesis of sample');

function sign(record: EpochRecord): SignedEpoch {
  return signEpoch(genesis, record, genesisSigner);
}

function successor(previous: SignedEpoch, overrides: Partial<EpochRecord> = {}): SignedEpoch {
  const epoch = (previous.record.epoch + 1) as Epoch;
  return sign({ ...previous.record, epoch, previous: epochDigest(previous.record), ...overrides });
}

const first = sign(sampleEpoch(sampleMembers(3)));
const second = successor(first, { members: sampleMembers(4) });
const third = successor(second, { members: sampleMembers(5) });

const ports = (keyValue: MemoryKeyValue) => ({ keyValue, verify: nativeVerify, sha256: nativeSha256 });

describe('the record in force', () => {
  test('is replaced by its successor and by any later one, never by an earlier one', async () => {
    const membership = await openMembership(ports(new MemoryKeyValue()), first);
    expect(await membership.offer(encodeEpoch(third))).toBe(true);
    expect(await membership.offer(encodeEpoch(second))).toBe(false);
    expect(await membership.offer(encodeEpoch(first))).toBe(false);
    expect(await membership.offer(encodeEpoch(third))).toBe(false);
    expect(membership.current().record.epoch).toBe(2);
    expect(membership.member(third.record.members[4]!.node)).toEqual(third.record.members[4]);
  });

  test('survives a restart and a power cut, and an older genesis file does not take it back', async () => {
    const keyValue = new MemoryKeyValue();
    await (await openMembership(ports(keyValue), first)).offer(encodeEpoch(second));
    const after = keyValue.powerLoss(() => false);
    expect((await openMembership(ports(after), first)).current()).toEqual(second);
    expect((await openMembership(ports(after), third)).current()).toEqual(third);
    expect((await openMembership(ports(after), first)).current()).toEqual(third);
  });

  test('changes are told once each, in order, after they are durable', async () => {
    const keyValue = new MemoryKeyValue();
    const membership = await openMembership(ports(keyValue), first);
    const told: number[] = [];
    const end = membership.onChange(({ record }) => told.push(record.epoch));
    await Promise.all([second, second, third].map((signed) => membership.offer(encodeEpoch(signed))));
    end();
    await membership.offer(encodeEpoch(successor(third)));
    expect(told).toEqual([1, 2]);
  });

  test('stays when the disk refuses the new one', async () => {
    const keyValue = new MemoryKeyValue();
    const membership = await openMembership(ports(keyValue), first);
    const failure = (await expectCodeAsync('WRONG_NETWORK', membership.offer(encodeEpoch(foreign()))))!;
    keyValue.failWrites(failure);
    await expectCodeAsync('WRONG_NETWORK', membership.offer(encodeEpoch(second)));
    expect(membership.current()).toEqual(first);
  });
});

function foreign(): SignedEpoch {
  const other = sampleGenesis('other');
  return signEpoch(other, sampleEpoch(sampleMembers(3)), signerFrom('genesis of other'));
}

describe('a record is refused', () => {
  const forged = { ...second, signature: first.signature };
  const stakeRaised = successor(first, { members: sampleMembers(3, { stake: 999n as Stake }) });

  test.each([
    ['of another network', 'WRONG_NETWORK', encodeEpoch(foreign())],
    ['that the genesis key did not sign', 'INVALID_SIGNATURE', encodeEpoch(forged)],
    ['that is cut off', 'INVALID_ENCODING', encodeEpoch(second).slice(0, -1)],
    [
      'that does not follow from the one in force',
      'INTEGRITY',
      encodeEpoch(successor(first, { previous: digestFrom('x') })),
    ],
    [
      'of the same epoch that says something else',
      'INTEGRITY',
      encodeEpoch(sign({ ...first.record, seed: digestFrom('x') })),
    ],
  ] as const)('%s: %s', async (_what, code, bytes) => {
    const membership = await openMembership(ports(new MemoryKeyValue()), first);
    await expectCodeAsync(code, membership.offer(bytes));
    expect(membership.current()).toEqual(first);
    expect(await membership.offer(encodeEpoch(stakeRaised))).toBe(true);
  });

  test('state of another network is not taken for this one', async () => {
    const keyValue = new MemoryKeyValue();
    await openMembership(ports(keyValue), first);
    const other = sampleGenesis('other');
    const record = { ...first.record, network: networkIdOf(other) };
    const opening = openMembership(ports(keyValue), signEpoch(other, record, signerFrom('genesis of other')));
    await expectCodeAsync('WRONG_NETWORK', opening);
  });
});
