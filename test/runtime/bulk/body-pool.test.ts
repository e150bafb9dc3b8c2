import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBodyPool } from '../../../src/runtime/bulk/body-pool.ts';

const KIB = 1024;

test('memory that was given back is used for the next body of about the same length', () => {
  const pool = createBodyPool();
  const first = pool.take(1_000_000);
  pool.give(first);
  expect(pool.take(999_000).buffer).toBe(first.buffer);
  expect(pool.take(1_000_000).buffer).not.toBe(first.buffer);
});

test('small bodies are not kept', () => {
  const pool = createBodyPool();
  pool.give(pool.take(1000));
  expect(pool.keptBytes).toBe(0);
});

test('no more than the bound is kept, and the length unused for longest goes first', () => {
  const pool = createBodyPool(256 * KIB);
  const [old, recent] = [pool.take(128 * KIB), pool.take(192 * KIB)];
  pool.give(old);
  pool.give(recent);
  expect(pool.keptBytes).toBe(192 * KIB);
  expect(pool.take(192 * KIB).buffer).toBe(recent.buffer);
  expect(pool.take(128 * KIB).buffer).not.toBe(old.buffer);
  pool.give(pool.take(512 * KIB));
  expect(pool.keptBytes).toBe(0);
});

test('bodies have their length, never share memory while they are out, and the bound always holds', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 400 * KIB })), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (operations) => {
      const pool = createBodyPool(600 * KIB);
      const out: Uint8Array[] = [];
      for (const [isTake, length] of operations) {
        if (isTake) {
          const body = pool.take(length);
          expect(body.length).toBe(length);
          expect(out.some((other) => other.buffer === body.buffer)).toBe(false);
          out.push(body);
        } else if (out.length > 0) pool.give(out.splice(length % out.length, 1)[0]!);
        expect(pool.keptBytes).toBeLessThanOrEqual(600 * KIB);
      }
    }),
  );
});
