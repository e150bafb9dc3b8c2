import { expect, test } from 'vitest';
import { equal, toHex } from '../../src/base/bytes.ts';
import type { ContentKey, NetworkId, ObjectId, OwnerId } from '../../src/base/ids.ts';
import { keyCheck, objectIdOf, segmentIdOf, segmentKey } from '../../src/replication/object.ts';
import { digestFrom } from '../helpers/records.ts';

const key = digestFrom<ContentKey>('key');
const object = digestFrom<ObjectId>('object');
const salt = digestFrom('salt').subarray(0, 16);

test('segment keys differ by content key, object, segment and salt', () => {
  const keys = [
    segmentKey(key, object, 0, salt),
    segmentKey(digestFrom<ContentKey>('other'), object, 0, salt),
    segmentKey(key, digestFrom<ObjectId>('other'), 0, salt),
    segmentKey(key, object, 1, salt),
    segmentKey(key, object, 0, digestFrom('other').subarray(0, 16)),
    keyCheck(key, object),
  ];
  expect(new Set(keys.map(toHex)).size).toBe(keys.length);
  expect(keys[0]!.length).toBe(32);
  expect(equal(segmentKey(key, object, 0, salt), keys[0]!)).toBe(true);
});

test('ids of known objects and segments never change', () => {
  const id = objectIdOf(digestFrom<NetworkId>('network'), digestFrom<OwnerId>('owner'), salt);
  expect([
    toHex(id),
    toHex(segmentIdOf(id, 1)),
    toHex(segmentKey(key, id, 1, salt)),
    toHex(keyCheck(key, id)),
  ]).toMatchInlineSnapshot(`
    [
      "d82e862cbdea4ef863730a9b2bcc5ed7a8bf12df40e2af362000cd2c12e1dd66",
      "e1ef9fece786569adc0096de297118ec8772b75610ffadcd826ea94e523355d7",
      "346af2889c13500d9a64f0e0571caf1ccaf1ce6dec0f490507d39886fd9c5e47",
      "fb78fbedd42b45b446a01bc1d330619e",
    ]
  `);
});
