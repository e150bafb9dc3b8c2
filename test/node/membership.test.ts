import { describe, expect, test } from 'vitest';
import { compare } from '../../src/base/bytes.ts';
import { epochDigest, type EpochRecord } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Epoch, NetworkId } from '../../src/base/ids.ts';
import { openMembership } from '../../src/node/membership.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { digestFrom, sampleEpoch, sampleMembers } from '../helpers/records.ts';

function successor(previous: EpochRecord, count: number): EpochRecord {
  const epoch = (previous.epoch + 1) as Epoch;
  const members = sampleMembers(count).toSorted((a, b) => compare(a.node, b.node));
  return { ...previous, epoch, previous: epochDigest(previous), members };
}

const first = sampleEpoch(sampleMembers(3));
const second = successor(first, 4);
const third = successor(second, 5);

describe('the record in force', () => {
  test('is replaced by its successor and by any later one, never by an earlier one', async () => {
    const membership = await openMembership({ keyValue: new MemoryKeyValue() }, first);
    expect(await membership.adopt(third)).toBe(true);
    for (const record of [second, first, third]) expect(await membership.adopt(record)).toBe(false);
    expect(membership.current()).toBe(third);
    expect(membership.member(third.members[4]!.node)).toEqual(third.members[4]);
    expect(membership.network).toEqual(first.network);
  });

  test('survives a restart and a power cut, and an older founding does not take it back', async () => {
    const keyValue = new MemoryKeyValue();
    await (await openMembership({ keyValue }, first)).adopt(second);
    const after = keyValue.powerLoss(() => false);
    expect((await openMembership({ keyValue: after }, first)).current()).toEqual(second);
    expect((await openMembership({ keyValue: after }, third)).current()).toEqual(third);
    expect((await openMembership({ keyValue: after }, first)).current()).toEqual(third);
  });

  test('changes are told once each, in order, after they are durable', async () => {
    const keyValue = new MemoryKeyValue();
    const membership = await openMembership({ keyValue }, first);
    const told: number[] = [];
    const end = membership.onChange(({ epoch }) => told.push(epoch));
    await Promise.all([second, second, third].map((record) => membership.adopt(record)));
    end();
    await membership.adopt(successor(third, 3));
    expect(told).toEqual([1, 2]);
    expect((await openMembership({ keyValue: keyValue.powerLoss(() => false) }, first)).current().epoch).toBe(
      3,
    );
  });

  test('stays when the disk refuses the new one', async () => {
    const keyValue = new MemoryKeyValue();
    const membership = await openMembership({ keyValue }, first);
    keyValue.failWrites(new StoreError('DISK', 'no room'));
    await expectCodeAsync('DISK', membership.adopt(second));
    expect(membership.current()).toBe(first);
  });

  test('of another network is not taken for the one of this network', async () => {
    const keyValue = new MemoryKeyValue();
    await openMembership({ keyValue }, first);
    const other = { ...first, network: digestFrom<NetworkId>('another') };
    await expectCodeAsync('WRONG_NETWORK', openMembership({ keyValue }, other));
  });
});
