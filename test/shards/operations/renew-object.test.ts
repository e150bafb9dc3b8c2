import { expect, test } from 'vitest';
import { idOf, Objects, registration, shapeOf } from '../objects.ts';

const id = idOf('ann', 'cat');

function withObject(lifetimeMs: number | null): Objects {
  const homes = new Objects();
  const expiresAtMs = lifetimeMs === null ? null : homes.timeMs + lifetimeMs;
  homes.do('ann', 'register-object', { ...registration('ann', 'cat', shapeOf(1)), expiresAtMs });
  return homes;
}

test('an object is kept longer, then for good, and never shorter', () => {
  const homes = withObject(1000);
  const renew = (expiresAtMs: number | null): string | undefined =>
    homes.do('ann', 'renew-object', { object: id, expiresAtMs, payment: 0n });
  const end = homes.object(id)!.expiresAtMs!;
  expect(renew(end)).toBe('invalid-argument');
  expect(renew(end + 1)).toBeUndefined();
  expect(homes.object(id)?.expiresAtMs).toBe(end + 1);
  expect(renew(null)).toBeUndefined();
  expect(renew(null)).toBe('invalid-argument');
  expect(renew(end + 2)).toBe('invalid-argument');
});

test('what has expired is not renewed, nor what another owns, nor what is not there', () => {
  const homes = withObject(1000);
  const renewal = { object: id, expiresAtMs: null, payment: 0n };
  expect(homes.do('bob', 'renew-object', renewal)).toBe('not-the-owner');
  homes.timeMs += 1001;
  expect(homes.do('ann', 'renew-object', renewal)).toBe('expired');
  expect(homes.do('ann', 'renew-object', { ...renewal, object: idOf('ann', 'dog') })).toBe('no-such-object');
});
