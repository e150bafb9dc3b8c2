import { expect, test } from 'vitest';
import { systemRandom } from '../../src/runtime/random.ts';

test('random bytes have the asked length, own their memory and differ', () => {
  const a = systemRandom.bytes(32);
  const b = systemRandom.bytes(32);
  expect(a.length).toBe(32);
  expect(a.buffer.byteLength).toBe(32);
  expect(Object.getPrototypeOf(a)).toBe(Uint8Array.prototype);
  expect(a).not.toEqual(b);
  expect(systemRandom.bytes(0).length).toBe(0);
});
