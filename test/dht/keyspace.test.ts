import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import type { Digest } from '../../src/base/ids.ts';
import {
  compareDistance,
  distance,
  nearest,
  PLACE_BITS,
  placeOf,
  sharedBits,
  shardOfKey,
} from '../../src/dht/keyspace.ts';

const place = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes) as Digest);
const number = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`);

describe('key space', () => {
  test('a place is the SHA-256 of its key, its shard the first bits of it', () => {
    // SHA-256 of "abc", FIPS 180-4.
    expect(toHex(placeOf(toUtf8('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
    expect([0, 1, 3, 4, 8, 16].map((bits) => shardOfKey(toUtf8('abc'), bits))).toEqual([
      0, 1, 5, 11, 0xba, 0xba78,
    ]);
  });

  test('distance is XOR as a number', () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        expect(number(distance(a, b))).toBe(number(a) ^ number(b));
      }),
    );
  });

  test('distance is a metric: 0 to itself, symmetric, and never longer by a detour', () => {
    fc.assert(
      fc.property(place, place, place, (a, b, c) => {
        expect(number(distance(a, a))).toBe(0n);
        expect(distance(a, b)).toEqual(distance(b, a));
        expect(number(distance(a, c))).toBeLessThanOrEqual(number(distance(a, b)) + number(distance(b, c)));
      }),
    );
  });

  test('comparing distances is comparing the numbers', () => {
    fc.assert(
      fc.property(place, place, place, (target, a, b) => {
        const [toA, toB] = [number(target) ^ number(a), number(target) ^ number(b)];
        expect(Math.sign(compareDistance(target, a, b))).toBe(toA < toB ? -1 : toA > toB ? 1 : 0);
      }),
    );
  });

  test('shared bits are the length of the common prefix', () => {
    const bits = (bytes: Uint8Array): string =>
      [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    fc.assert(
      fc.property(place, fc.nat(PLACE_BITS - 1), (a, flipped) => {
        const b = a.slice() as Digest;
        b[flipped >>> 3]! ^= 0x80 >>> (flipped & 7);
        expect(sharedBits(a, b)).toBe(flipped);
        expect(bits(a).slice(0, flipped)).toBe(bits(b).slice(0, flipped));
        expect(sharedBits(a, a)).toBe(PLACE_BITS);
      }),
    );
  });

  test('the nearest are those that no other place is nearer than', () => {
    fc.assert(
      fc.property(place, fc.array(place, { maxLength: 20 }), fc.nat(20), (target, places, count) => {
        const chosen = nearest(target, places, count);
        const all = places.map((one) => number(distance(target, one))).sort((a, b) => (a < b ? -1 : 1));
        expect(chosen.map((one) => number(distance(target, one)))).toEqual(all.slice(0, count));
      }),
    );
  });

  test('a shard is a Kademlia subtree: its places share its bits, and only they', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer({ min: 1, max: 12 }), (a, b, bits) => {
        const isSame = shardOfKey(toUtf8(a), bits) === shardOfKey(toUtf8(b), bits);
        expect(isSame).toBe(sharedBits(placeOf(toUtf8(a)), placeOf(toUtf8(b))) >= bits);
      }),
    );
  });
});
