import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedCache } from '../../../src/node/chain/bounded-cache.ts';

test('a cache never gives what was not set last, and never holds more than its bound', () => {
  const steps = fc.array(
    fc.tuple(fc.constantFrom('get', 'set', 'delete'), fc.nat(12), fc.integer({ min: 1, max: 30 })),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const cache = new BoundedCache<number, number>(40, (value) => value);
      const truth = new Map<number, number>();
      for (const [kind, key, value] of all) {
        if (kind === 'set') {
          cache.set(key, value);
          truth.set(key, value);
        } else if (kind === 'delete') {
          cache.delete(key);
          truth.delete(key);
        } else expect([undefined, truth.get(key)]).toContain(cache.get(key));
      }
      const held = [...truth.keys()].reduce((sum, key) => sum + (cache.get(key) ?? 0), 0);
      expect(held).toBeLessThanOrEqual(80);
    }),
  );
});

test('a cache keeps what is asked for while other things come and go', () => {
  const cache = new BoundedCache<string, number>(10);
  cache.set('hot', 1);
  for (let index = 0; index < 100; index++) {
    cache.set(`cold ${index}`, index);
    expect(cache.get('hot')).toBe(1);
  }
  const cold = Array.from({ length: 100 }, (_, index) => cache.get(`cold ${index}`));
  expect(cold.filter((value) => value !== undefined).length).toBeLessThanOrEqual(10);
});

test('a cache does not take what is larger than its half, and forgets what it replaces', () => {
  const cache = new BoundedCache<string, number>(10, (value) => value);
  cache.set('key', 2);
  cache.set('key', 6);
  expect(cache.get('key')).toBeUndefined();
});
